"""How a taste fades: integer counts a day, weighed by their age when they are read.

The weights are fixed-point integers, so that sums are exact in any order and any engine.
"""

from __future__ import annotations

from functools import cache

HALF_LIFE_DAYS = 90
HALF_LIVES = 20
UNIT = 1 << HALF_LIVES  # the weight of a play of today
OLDEST_AGE = HALF_LIVES * HALF_LIFE_DAYS + 1  # days; plays of this age and older weigh nothing
TASTE_ENTRIES = 2_000  # (track, day) entries a listener is known by: the newest ones


@cache
def decay_weights(half_life_days: int = HALF_LIFE_DAYS) -> tuple[int, ...]:
    """Weights by age in whole days, [HALF_LIVES * half_life_days + 2], of which the last is the 0 of all older ages.

    What a play of some age weighs is `decay_weights()[min(age, OLDEST_AGE)]`. A play's age is the number of UTC
    midnights since it began, whatever the time of day.
    """
    ages = range(HALF_LIVES * half_life_days + 1)
    return (*(round(UNIT * 2.0 ** (-age / half_life_days)) for age in ages), 0)
