"""What the people of a world play: sessions, what follows what, what is come back to, and what is skipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.world.audience import COUNTRIES, Audience, scene_shares
from jobs.world.catalog import Catalog
from jobs.world.config import Flags, Floats, Ints, Stream, WorldConfig, dots, generator
from warehouse.rules.quantity import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from warehouse.rules.sessions import SILENCE_MS

SESSION_LOG_MEAN, SESSION_LOG_SD, LONGEST_SESSION = 1.8, 0.75, 80
# What a session is made of decides how each of its plays is chosen.
STYLES = ("library", "album", "radio", "mixed")
STYLE_SHARES = (0.45, 0.15, 0.15, 0.25)
EXPLORE, RETURN, NEXT, SAME_ARTIST = range(4)
CHOICES = np.array(  # [styles, choices], rows sum to 1
    [[0.16, 0.60, 0.16, 0.08], [0.08, 0.08, 0.82, 0.02], [0.66, 0.14, 0.02, 0.18], [0.28, 0.34, 0.24, 0.14]]
)
PICKINESS = 4.0  # how much the better of two tracks of a scene is preferred
SKIP_LEVEL, SKIP_SLOPE, KNOWN_EASE = 0.75, 3.6, 0.9
SKIP, END, STOP = range(3)
ENDED_BY = ("skip", "end", "stop")
STOPPED_LAST = 0.35  # share of sessions whose last play is broken off
HOURS = (  # how much is played at each local hour, Monday to Friday and at the weekend
    (5, 3, 2, 1, 1, 3, 9, 20, 26, 22, 20, 20, 22, 21, 20, 21, 24, 30, 32, 30, 27, 24, 18, 10),
    (14, 10, 7, 4, 2, 2, 3, 6, 11, 18, 24, 27, 28, 28, 27, 27, 27, 27, 28, 29, 29, 28, 25, 20),
)


@dataclass(frozen=True)
class Plays:
    """One row a play in every array, by listener and time."""

    listener: Ints
    number: Ints  # the how-manieth of the listener, from 0; some are missing where they did not fit into the world
    track: Ints
    started_ms: Ints
    played_ms: Ints
    ended_by: Ints
    style: Ints
    device: Ints


@dataclass(frozen=True)
class _Sessions:
    """One row a session, by listener and start; `wish_ms` is when it would start if the one before had ended."""

    listener: Ints
    wish_ms: Ints
    plays: Ints
    style: Ints
    device: Ints


def mean_session_plays() -> float:
    """Plays in an average session, before the longest are cut."""
    return float(1.0 + np.exp(SESSION_LOG_MEAN + SESSION_LOG_SD**2 / 2) - 0.5)


def plays_of(config: WorldConfig, music: Catalog, people: Audience, rows: slice) -> Plays:
    """All that these listeners play within the world."""
    random = generator(config, Stream.LISTENING, rows.start)
    sessions = _sessions(config, people, rows, random)
    session = np.repeat(np.arange(len(sessions.plays)), sessions.plays)
    opens = _opens(session)
    listener = sessions.listener[session]
    number = np.arange(len(listener)) - _first_of_group(listener)
    track, known = _tracks(music, people, rows, listener, number, opens, sessions.style[session], random)
    played_ms, ended_by = _heard(music, people, listener, track, known, opens, random)
    started_ms = _starts(sessions, session, opens, played_ms, random)
    told = Plays(
        listener, number, track, started_ms, played_ms, ended_by, sessions.style[session], sessions.device[session]
    )
    return _within(told, config)


def _within(told: Plays, config: WorldConfig) -> Plays:
    inside = (told.started_ms >= config.first_ms) & (told.started_ms + told.played_ms <= config.end_ms)
    return Plays(**{name: values[inside] for name, values in vars(told).items()})


def _sessions(config: WorldConfig, people: Audience, rows: slice, random: np.random.Generator) -> _Sessions:
    counts = random.poisson(people.sessions[rows])
    listener = np.repeat(np.arange(rows.start, rows.stop), counts)
    wish_ms = _wishes(config, people, listener, random)
    in_order = np.lexsort((wish_ms, listener))
    plays = 1 + random.lognormal(SESSION_LOG_MEAN, SESSION_LOG_SD, len(listener)).astype(np.int64)
    usual = (random.random(len(listener)) < 0.25).astype(np.int64)
    return _Sessions(
        listener,
        wish_ms[in_order],
        np.minimum(plays, LONGEST_SESSION),
        random.choice(len(STYLES), len(listener), p=STYLE_SHARES),
        people.devices[listener, usual],
    )


def _wishes(config: WorldConfig, people: Audience, listener: Ints, random: np.random.Generator) -> Ints:
    """When each session would start, UTC ms: a day of the listener's stay, then an hour of their own clock."""
    low, high = people.day_volume[people.joined_day[listener]], people.day_volume[people.left_day[listener]]
    day = np.searchsorted(people.day_volume, low + random.random(len(listener)) * (high - low), side="right") - 1
    day = np.clip(day, 0, config.days - 1)
    weekend = ((config.first_day.weekday() + day) % 7 >= 5).astype(np.int64)
    hours = np.cumsum(np.array(HOURS, np.float64), axis=1)
    at = random.random(len(listener)) * hours[weekend, -1]
    hour = (hours[weekend] <= at[:, None]).sum(axis=1)
    within_ms = random.integers(0, HOUR_MS, len(listener))
    offset_ms = np.array([round(country.utc_offset_h * HOUR_MS) for country in COUNTRIES])
    return config.first_ms + day * DAY_MS + hour * HOUR_MS + within_ms - offset_ms[people.country[listener]]


def _tracks(
    music: Catalog,
    people: Audience,
    rows: slice,
    listener: Ints,
    number: Ints,
    opens: Flags,
    style: Ints,
    random: np.random.Generator,
) -> tuple[Ints, Flags]:
    """The track of each play, and whether it goes back to an earlier one.

    Every play points to itself where it is a first hearing, to an earlier play of the listener where it comes back
    to that one's track, and to the play before where it goes on in that one's discography, by a number of steps.
    Following all pointers at once, each round doubling their reach, resolves chains of any length in a few rounds.
    """
    choice = _choices(people, listener, number, opens, style, random)
    own = np.arange(len(listener))
    goes_on = (choice == NEXT) | (choice == SAME_ARTIST)
    pointer = np.where(choice == RETURN, own - _lags(number, random), np.where(goes_on, own - 1, own))
    steps = np.where(choice == NEXT, 1, 0) + np.where(choice == SAME_ARTIST, random.integers(1, 1_000, len(own)), 0)
    while not np.array_equal(pointer, further := pointer[pointer]):
        steps, pointer = steps + np.where(pointer == own, 0, steps[pointer]), further
    root = _first_hearings(music, people, rows, listener, random)[pointer]
    first = music.first[music.artist[root]]
    size = music.first[music.artist[root] + 1] - first
    return first + (root - first + steps) % size, choice == RETURN


def _choices(
    people: Audience, listener: Ints, number: Ints, opens: Flags, style: Ints, random: np.random.Generator
) -> Ints:
    shares = CHOICES[style]
    back = np.minimum(shares[:, RETURN] * people.constancy[listener], 0.95)
    others = shares[:, [EXPLORE, NEXT, SAME_ARTIST]] * ((1 - back) / (1 - shares[:, RETURN]))[:, None]
    summed = np.cumsum(np.column_stack([others[:, 0], back, others[:, 1:]]), axis=1)
    choice = (summed[:, :3] <= random.random(len(listener))[:, None]).sum(axis=1)
    choice = np.where(opens & (choice >= NEXT), np.where(random.random(len(listener)) < 0.5, RETURN, EXPLORE), choice)
    return np.where(number == 0, EXPLORE, choice)


def _lags(number: Ints, random: np.random.Generator) -> Ints:
    """How many plays ago it was heard: `l` plays ago in proportion to 1 / l.

    So what was heard often comes back more often, and what was heard long ago less (Anderson et al., The dynamics of
    repeat consumption, WWW 2014).
    """
    return np.clip(np.ceil(number ** random.random(len(number))).astype(np.int64), 1, np.maximum(number, 1))


def _first_hearings(music: Catalog, people: Audience, rows: slice, listener: Ints, random: np.random.Generator) -> Ints:
    """For each play the track that it would discover: the better liked of two from a scene, or one of the charts."""
    shares = scene_shares(people, music, rows)
    flat = (shares + np.arange(len(shares))[:, None]).ravel()
    place = np.searchsorted(flat, listener - rows.start + random.random(len(listener)), side="right")
    scene = np.minimum(place - (listener - rows.start) * shares.shape[1], shares.shape[1] - 1)
    by_scene = np.argsort(music.scene, kind="stable")
    summed = np.concatenate([[0.0], np.cumsum(music.popularity[by_scene])])
    bounds = np.searchsorted(music.scene[by_scene], np.arange(shares.shape[1] + 1))
    everything = (random.random(len(listener)) < people.mainstream[listener]) | (bounds[scene] == bounds[scene + 1])
    low = np.where(everything, 0, bounds[scene])
    high = np.where(everything, len(by_scene), bounds[scene + 1])
    one, two = (_drawn(summed, low, high, by_scene, random) for _ in range(2))
    liking = PICKINESS * dots(people.vectors[listener], music.vectors[one] - music.vectors[two])
    return np.where(liking + random.logistic(size=len(listener)) >= 0, one, two)


def _drawn(summed: Floats, low: Ints, high: Ints, tracks: Ints, random: np.random.Generator) -> Ints:
    at = summed[low] + random.random(len(low)) * (summed[high] - summed[low])
    return tracks[np.clip(np.searchsorted(summed, at, side="right") - 1, low, high - 1)]


def _heard(
    music: Catalog,
    people: Audience,
    listener: Ints,
    track: Ints,
    known: Flags,
    opens: Flags,
    random: np.random.Generator,
) -> tuple[Ints, Ints]:
    """How long each play was heard, ms, and why it ended: what is not to the listener's taste is skipped more."""
    liking = dots(people.vectors[listener], music.vectors[track])
    skipped = random.random(len(track)) < skip_chance(liking, known)
    last = np.append(opens[1:], True)
    stopped = last & ~skipped & (random.random(len(track)) < STOPPED_LAST)
    track_ms = music.track_ms[track]
    anywhere_ms, skip_ms = broken_off_ms(track_ms, random)
    played_ms = np.where(skipped, skip_ms, np.where(stopped, anywhere_ms, track_ms))
    return played_ms, np.where(skipped, SKIP, np.where(stopped, STOP, END))


def skip_chance(liking: Floats, known: Flags) -> Floats:
    """The chance that a play is skipped, by how near the track lies to the taste and whether it was heard before."""
    chances: Floats = 1.0 / (1.0 + np.exp(-(SKIP_LEVEL - SKIP_SLOPE * liking - KNOWN_EASE * known)))
    return chances


def broken_off_ms(track_ms: Ints, random: np.random.Generator) -> tuple[Ints, Ints]:
    """After what time plays of these tracks are broken off, ms: anywhere, and where one skips, mostly at once."""
    anywhere_ms = random.random(track_ms.shape) * track_ms
    soon_ms = SECOND_MS + random.exponential(11.0 * SECOND_MS, track_ms.shape)
    skip_ms = np.minimum(np.where(random.random(track_ms.shape) < 0.75, soon_ms, anywhere_ms), track_ms - 1)
    return anywhere_ms.astype(np.int64), skip_ms.astype(np.int64)


def _starts(sessions: _Sessions, session: Ints, opens: Flags, played_ms: Ints, random: np.random.Generator) -> Ints:
    """When each play started, UTC ms. A session waits until half an hour after the one before has ended."""
    pause_ms = np.where(
        random.random(len(session)) < 0.03,
        random.integers(0, 5 * MINUTE_MS, len(session)),
        random.integers(0, 2 * SECOND_MS, len(session)),
    )
    ends_ms = np.cumsum(played_ms + pause_ms)
    begins_ms = ends_ms - played_ms - pause_ms
    since_opening_ms = begins_ms - begins_ms[opens][session] if len(session) else begins_ms
    takes_ms = np.bincount(session, played_ms + pause_ms, len(sessions.plays)).astype(np.int64) + SILENCE_MS + MINUTE_MS
    before_ms = np.cumsum(takes_ms) - takes_ms
    apart_ms = sessions.listener * (int(takes_ms.sum()) + 10_000 * DAY_MS)  # nobody waits for another listener
    opened_ms = np.maximum.accumulate(sessions.wish_ms - before_ms + apart_ms) + before_ms - apart_ms
    return opened_ms[session] + since_opening_ms


def _opens(session: Ints) -> Flags:
    return np.append(True, session[1:] != session[:-1])[: len(session)]


def _first_of_group(groups: Ints) -> Ints:
    """For each row the position at which its run of equal values begins, [rows]."""
    begins = _opens(groups)
    return np.flatnonzero(begins)[np.cumsum(begins) - 1]
