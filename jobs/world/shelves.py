"""What the people of a world are shown, by a policy that is known, and what they make of it: see docs/world.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.world.audience import Audience
from jobs.world.catalog import LONGEST_TRACK_MS, Catalog
from jobs.world.config import Flags, Floats, Ints, Stream, WorldConfig, dots, generator
from jobs.world.listening import END, SKIP, Plays, broken_off_ms, skip_chance
from warehouse.rules.quantity import DAY_MS, SECOND_MS
from warehouse.rules.sessions import SILENCE_MS

SHOWN_DAYS, SHOWN_SHARE = 28, 1 / 3  # the last days of a world, and at most that share of them
ASKS, ASKS_AFTER = 0.7, 0.7  # share of listeners who look at shelves, and of their sessions that end before one
SLOTS = 10
SOURCES = ("popularity", "cluster", "random")
MIXTURE = (0.4, 0.4, 0.2)  # how often each source fills a slot
LOOKED_AT = 0.85  # share of those who look at a slot that look at the next one as well
TRY_LEVEL, TRY_SLOPE = -1.5, 3.0
_PAUSE_MS = 4 * SECOND_MS  # between two slots, at most
_ROOM_MS = SLOTS * (LONGEST_TRACK_MS + _PAUSE_MS) + SILENCE_MS  # for whatever a listener may make of a shelf


@dataclass(frozen=True)
class Shelves:
    """Answers by listener and time: the first three have a row an answer [answers], the others a slot [answers, slots].

    `number` is the how-manieth of the listener, from 0. `played_ms` and `started_ms` are of `tried` slots alone.
    """

    listener: Ints
    number: Ints
    shown_ms: Ints
    track: Ints
    source: Ints
    propensity: Floats
    tried: Flags
    started_ms: Ints
    played_ms: Ints
    ended_by: Ints


def looked_at(slots: Ints) -> Floats:
    """The chance that a listener looks at each of these slots, whatever it shows (Richardson et al., WWW 2007)."""
    chances: Floats = np.power(LOOKED_AT, slots.astype(np.float64))
    return chances


def try_chance(liking: Floats) -> Floats:
    """The chance that a track which is looked at is played."""
    chances: Floats = 1.0 / (1.0 + np.exp(-(TRY_LEVEL + TRY_SLOPE * liking)))
    return chances


def worth(liking: Floats, known: Flags) -> Floats:
    """The chance that a track which is looked at is played through: what a recommender of this world is to find."""
    return try_chance(liking) * (1.0 - skip_chance(liking, known))


def shelves_of(config: WorldConfig, music: Catalog, people: Audience, rows: slice, told: Plays) -> Shelves:
    """What these listeners are shown after some of their sessions; `told` are all their plays, by listener and time."""
    random = generator(config, Stream.SHELVES, rows.start)
    listener, shown_ms = _occasions(config, rows, told, random)
    track, source, propensity = _drawn(music, people, listener, random)
    everybody = np.repeat(listener, SLOTS)
    liking = dots(people.vectors[everybody], music.vectors[track.ravel()]).reshape(track.shape)
    known = _heard_before(told, music, listener, shown_ms, track)
    looked = random.random(track.shape) < looked_at(np.arange(SLOTS))
    tried = looked & (random.random(track.shape) < try_chance(liking))
    skipped = tried & (random.random(track.shape) < skip_chance(liking, known))
    track_ms = music.track_ms[track]
    _, skip_ms = broken_off_ms(track_ms, random)
    played_ms = np.where(skipped, skip_ms, np.where(tried, track_ms, 0))
    pause_ms = random.integers(SECOND_MS, _PAUSE_MS, track.shape)
    started_ms = shown_ms[:, None] + np.cumsum(pause_ms + played_ms, axis=1) - played_ms
    ended_by = np.where(skipped, SKIP, END)
    number = np.arange(len(listener)) - np.searchsorted(listener, listener)
    return Shelves(listener, number, shown_ms, track, source, propensity, tried, started_ms, played_ms, ended_by)


def _occasions(config: WorldConfig, rows: slice, told: Plays, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Whom a shelf is shown, and when, UTC ms [answers]: soon after a session, where hours follow without a play.

    Whether there is room does not hang on what is made of the shelf, or the log would leave out who liked theirs.
    """
    first_ms = config.end_ms - min(SHOWN_DAYS, int(config.days * SHOWN_SHARE)) * DAY_MS
    ended_ms = told.started_ms + told.played_ms
    shown_ms = ended_ms + random.integers(SECOND_MS, 20 * SECOND_MS, len(ended_ms))
    last = np.append(told.listener[1:] != told.listener[:-1], True)[: len(ended_ms)]
    until_ms = np.where(last, config.end_ms, np.append(told.started_ms[1:], config.end_ms)[: len(ended_ms)])
    asks = (random.random(rows.stop - rows.start) < ASKS)[told.listener - rows.start]
    chosen = asks & (random.random(len(ended_ms)) < ASKS_AFTER)
    chosen &= (ended_ms >= first_ms) & (until_ms - shown_ms >= _ROOM_MS)
    return told.listener[chosen], shown_ms[chosen]


@dataclass(frozen=True)
class _Policy:
    """The chances of tracks: `summed` [tracks + 1] over `tracks` by genre, of which genre g begins at `bounds[g]`.

    Reissues have none.
    """

    tracks: Ints
    summed: Floats
    bounds: Ints
    place: Ints  # of each track of the catalog among `tracks`

    @classmethod
    def of(cls, music: Catalog) -> _Policy:
        genre = music.genre_of_scene[music.scene]
        originals = np.flatnonzero(music.same_as == np.arange(len(genre)))
        tracks = originals[np.argsort(genre[originals], kind="stable")]
        summed = np.concatenate([[0.0], np.cumsum(music.popularity[tracks])])
        place = np.zeros(len(genre), np.int64)
        place[tracks] = np.arange(len(tracks))
        bounds = np.searchsorted(genre[tracks], np.arange(int(music.genre_of_scene.max()) + 2))
        return cls(tracks, summed, bounds, place)

    def spans(self, cluster: Ints) -> tuple[Ints, Ints]:
        """From where to where the tracks of each cluster lie; all of them for a genre in which there is no music."""
        low, high = self.bounds[cluster], self.bounds[cluster + 1]
        empty = low == high
        return np.where(empty, 0, low), np.where(empty, len(self.tracks), high)

    def draw(self, cluster: Ints, source: Ints, random: np.random.Generator) -> Ints:
        """A track by each of these sources, for a listener of that cluster."""
        low, high = self.spans(cluster)
        low = np.where(source == SOURCES.index("cluster"), low, 0)
        high = np.where(source == SOURCES.index("cluster"), high, len(self.tracks))
        at = self.summed[low] + random.random(len(low)) * (self.summed[high] - self.summed[low])
        famous = np.clip(np.searchsorted(self.summed, at, side="right") - 1, low, high - 1)
        anyone = random.integers(0, len(self.tracks), len(low))
        return self.tracks[np.where(source == SOURCES.index("random"), anyone, famous)]

    def chances(self, cluster: Ints, track: Ints) -> Floats:
        """That the first slot shows this track, whichever source brings it."""
        low, high = self.spans(cluster)
        place = self.place[track]
        weight = self.summed[place + 1] - self.summed[place]
        inside = np.where((place >= low) & (place < high), weight / (self.summed[high] - self.summed[low]), 0.0)
        parts = (weight / self.summed[-1], inside, np.full(len(track), 1.0 / len(self.tracks)))
        return sum((share * part for share, part in zip(MIXTURE, parts, strict=True)), np.zeros(len(track)))


def _drawn(music: Catalog, people: Audience, listener: Ints, random: np.random.Generator) -> tuple[Ints, Ints, Floats]:
    """Tracks, their sources, and the chance of each given the slots above it: no shelf shows a track twice."""
    policy, cluster = _Policy.of(music), _clusters(music, people, listener)
    shape = (len(listener), SLOTS)
    track, source = np.full(shape, -1), np.zeros(shape, np.int64)
    propensity, taken = np.zeros(shape), np.zeros(len(listener))
    for slot in range(SLOTS):
        open_slots = np.arange(len(listener))
        while len(open_slots):
            by = random.choice(len(SOURCES), len(open_slots), p=MIXTURE)
            found = policy.draw(cluster[open_slots], by, random)
            again = (track[open_slots, :slot] == found[:, None]).any(axis=1)
            track[open_slots, slot], source[open_slots, slot] = found, by
            open_slots = open_slots[again]
        chance = policy.chances(cluster, track[:, slot])
        propensity[:, slot] = chance / (1.0 - taken)
        taken += chance
    return track, source, propensity


def _clusters(music: Catalog, people: Audience, listener: Ints) -> Ints:
    """The genre of the scene that lies nearest to each listener's taste."""
    who, back = np.unique(listener, return_inverse=True)
    near = np.einsum("ld,sd->ls", people.vectors[who], music.scene_vectors)
    return music.genre_of_scene[near.argmax(axis=1)][back]


def _heard_before(told: Plays, music: Catalog, listener: Ints, shown_ms: Ints, track: Ints) -> Flags:
    """Whether each slot's track, or what it is a reissue of, is one that the listener had come to before."""
    tracks = len(music.artist)
    keys, first = np.unique(told.listener * tracks + music.same_as[told.track], return_index=True)
    wanted = listener[:, None] * tracks + track
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return (keys[place] == wanted) & (told.started_ms[first[place]] < shown_ms[:, None])
