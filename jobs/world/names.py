"""Names for people and music that do not exist, in several scripts, with the repetitions that real catalogs have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tongue:
    """How a scene's artists are called: what their names begin with, may go on with, and end in."""

    starts: str
    middles: str
    ends: str


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADJECTIVES = _words("""
amber bitter blue borrowed bright broken cold crooked distant electric empty faded first frozen gentle gilded golden
half hidden hollow honest hungry idle last late little lonely lost low lucid magnetic midnight narrow new northern old
open paper patient plain quiet restless rusty sacred scarlet second secret silver slow small soft southern still
stolen strange sudden sweet tall tender thin velvet violet warm wasted weightless white wild winter wooden yellow
""")
NOUNS = _words("""
airport anchor arrow ash avenue balcony bell blossom boat bridge candle canyon carousel cathedral chalk circle city
clock coast comet copper corner current dawn desert diamond door dust echo ember engine evening feather fence field
fire flood forest fountain garden ghost glass harbour heart hill honey horizon hour hurricane island ivory june
kitchen lantern letter lighthouse machine map marble meadow mercury mirror moon morning motel mountain needle night
ocean orchard palace parade photograph piano pilot planet porcelain queen radio railway rain river road room rose
sailor salt satellite season shadow shoreline signal sky smoke snow sparrow spring staircase station stone storm
street summer sunday swan telephone theatre thread thunder tide tower train tree umbrella valley voice wave weather
willow window wire wolf wonder year
""")
VERBS = _words("follow forget carry leave hold call find burn cross keep lose read remember sing steal wake write")
PLACES = _words("Almora Brandt Calder Dorne Elvas Fenwick Greyton Halden Isola Juno Kessel Lorne Marrow Nairn Orsay")
GIVEN = _words(
    "ada anouk ben cleo dario elin farid greta hana ivo jun kofi lena mira noor otto pia rui sana teo uma yara"
)
TONGUES = (
    Tongue("Bel Cor Dan Fen Har Kel Lin Mar Nor Ros Tam Wes", "a e i o an er in", "den ford ley ly ry son ton well"),
    Tongue("Al Bé Cla Du Fré Gué Lo Mé Pa Sé Va", "li mo na ri so vé", "che gnon lle net ré seau ção ñez"),
    Tongue("Åse Bjø Ei Frø Hå Jør Kå Lø Sø Tør Vå", "de ga la ne ri", "berg dal gård lund rud sen strøm vik"),
    Tongue("Bo Dą Go Ja Kra Łu Mi Ra Sta Że", "bo da li mi ro wi", "czyk ński ska šek žić ček wicz"),
    Tongue("Ai Fu Ha Ka Ko Mi Na Ri Sa Yu", "ka ki mo ra shi tsu", "da ka ko mi ne ro ta"),
    Tongue("あ か さ な は ま や ら", "い き し ね の み る", "く こ と ほ ゆ り"),
    Tongue("Во Га Да Ки Ла Ми Но Са", "ве ди ле ро та", "нов ский рина тов чук"),  # noqa: RUF001 - it is Cyrillic
)
TONGUE_SHARES = (0.46, 0.14, 0.12, 0.1, 0.1, 0.04, 0.04)


def artist_names(tongues: Sequence[int], random: np.random.Generator) -> list[str]:
    """A name for each artist, [len(tongues)]; now and then two artists share one."""
    draws = random.integers(0, 1 << 30, (len(tongues), 8)).tolist()
    return [_artist(TONGUES[tongue], draw) for tongue, draw in zip(tongues, draws, strict=True)]


def _artist(tongue: Tongue, draw: Sequence[int]) -> str:
    kind, one, two = draw[0] % 10, _word(tongue, draw[1:4]), _word(tongue, draw[4:7])
    adjective, noun = _pick(ADJECTIVES, draw[5]).title(), _pick(NOUNS, draw[6]).title()
    if kind < 4:
        return f"{one} {two}"
    if kind < 6:
        return one
    if kind < 7:
        return f"{one} & the {_pick(NOUNS, draw[7]).title()}s"
    return f"The {adjective} {noun}s" if kind < 9 else f"{adjective} {noun}"


def _word(tongue: Tongue, draw: Sequence[int]) -> str:
    middle = _pick(_words(tongue.middles), draw[1]) if draw[0] % 3 else ""
    return _pick(_words(tongue.starts), draw[0]) + middle + _pick(_words(tongue.ends), draw[2])


def titles(count: int, random: np.random.Generator) -> list[str]:
    """Titles of tracks or albums, [count]; the same title turns up by different artists."""
    return [_title(draw) for draw in random.integers(0, 1 << 30, (count, 5)).tolist()]


def _title(draw: Sequence[int]) -> str:
    kind, adjective, noun = draw[0] % 9, _pick(ADJECTIVES, draw[1]).title(), _pick(NOUNS, draw[2]).title()
    other, verb = _pick(NOUNS, draw[3]).title(), _pick(VERBS, draw[4]).title()
    return (
        f"{adjective} {noun}",
        f"{noun} of {other}s",
        f"The {noun}",
        f"{verb} the {noun}",
        f"{verb} Me",
        f"{noun} & {other}",
        f"{adjective} {noun} ({other} Version)",
        f"Don't {verb} the {noun}",
        f"{noun} in {_pick(PLACES, draw[3])}",
    )[kind]


def listener_ids(count: int, random: np.random.Generator) -> list[str]:
    """Ids of listeners, a given name and a number, each once, [count]."""
    width = len(str(max(count - 1, 0)))
    given = random.integers(0, len(GIVEN), count).tolist()
    return [f"{GIVEN[name]}-{number:0{width}}" for number, name in enumerate(given)]


def _pick(words: Sequence[str], draw: int) -> str:
    return words[draw % len(words)]
