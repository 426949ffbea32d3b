"""The music of a world: genres, scenes, artists and their discographies, as points of one latent space."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa

from jobs.world.config import Floats, Ints, Stream, WorldConfig, generator, unit_rows
from jobs.world.names import TONGUE_SHARES, artist_names, titles
from warehouse.rules.quantity import SECOND_MS

TRACKS_A_SCENE, MOST_SCENES = 60, 800
TRACKS_AN_ARTIST, ALBUM_TRACKS = 9, 10
REISSUED = 0.015  # share of tracks that are another one again, on a later album
WITH_ISRC, WITH_MBID = 0.7, 0.4
POPULARITY_EXPONENT = 0.75
LONGEST_TRACK_MS = 720 * SECOND_MS


@dataclass(frozen=True)
class Catalog:
    """Tracks are numbered artist by artist: artist `a` made tracks `first[a]` to `first[a + 1] - 1`, in album order.

    `same_as` [tracks] is the track itself, or the earlier one that it is a reissue of.
    """

    scene_vectors: Floats  # [scenes, dimensions], length 1
    genre_of_scene: Ints
    scene_of_artist: Ints
    first: Ints  # [artists + 1]
    artist: Ints  # [tracks]
    album: Ints  # [tracks]
    vectors: Floats  # [tracks, dimensions], length 1
    popularity: Floats  # [tracks], sums to 1
    track_ms: Ints
    same_as: Ints

    @property
    def scene(self) -> Ints:
        """The scene of each track, [tracks]."""
        return self.scene_of_artist[self.artist]


def catalog(config: WorldConfig) -> Catalog:
    """The music of this world."""
    random = generator(config, Stream.CATALOG)
    genres = unit_rows(random.normal(size=(config.genres, config.dimensions)))
    scenes = min(max(config.tracks // TRACKS_A_SCENE, config.genres), MOST_SCENES)
    genre_of_scene = np.arange(scenes) % config.genres
    scene_vectors = _near(genres[genre_of_scene], 0.6, random)
    first = _discographies(config.tracks, random)
    scene_of_artist = random.choice(scenes, len(first) - 1, p=_zipf(scenes, 0.4, random))
    artist = np.repeat(np.arange(len(first) - 1), np.diff(first))
    artist_vectors = _near(scene_vectors[scene_of_artist], 0.4, random)
    same_as = _reissues(first, artist, random)
    return Catalog(
        scene_vectors=scene_vectors,
        genre_of_scene=genre_of_scene,
        scene_of_artist=scene_of_artist,
        first=first,
        artist=artist,
        album=_albums(first, artist),
        vectors=_near(artist_vectors[artist], 0.3, random)[same_as],
        popularity=_popularity(artist, same_as, random),
        track_ms=_lengths(config.tracks, random)[same_as],
        same_as=same_as,
    )


def _near(points: Floats, distance: float, random: np.random.Generator) -> Floats:
    """Points of length 1 around those given."""
    noise = random.normal(size=points.shape) / np.sqrt(points.shape[1])
    return unit_rows(points + distance * noise)


def _discographies(tracks: int, random: np.random.Generator) -> Ints:
    """Where each artist's tracks begin, [artists + 1]: most have made few, some many."""
    artists = max(tracks // TRACKS_AN_ARTIST, 1)
    sizes = random.lognormal(0.0, 0.8, artists)
    ends = np.round(np.cumsum(sizes) / sizes.sum() * tracks).astype(np.int64)
    return np.unique(np.concatenate([[0], ends]))


def _albums(first: Ints, artist: Ints) -> Ints:
    """Albums of about ten tracks each, numbered over all artists, [tracks]."""
    place = np.arange(len(artist)) - first[artist]
    opens = place % ALBUM_TRACKS == 0
    return np.cumsum(opens) - 1


def _reissues(first: Ints, artist: Ints, random: np.random.Generator) -> Ints:
    own = np.arange(len(artist))
    earlier = first[artist] + (random.random(len(artist)) * (own - first[artist])).astype(np.int64)
    again = (random.random(len(artist)) < REISSUED) & (earlier < own)
    same = np.where(again, earlier, own)
    return np.where(same[same] == same, same, own)  # a reissue of a reissue would be two steps from its original


def _zipf(count: int, exponent: float, random: np.random.Generator) -> Floats:
    weights = (1.0 + random.permutation(count)) ** -exponent
    return weights / weights.sum()


def _popularity(artist: Ints, same_as: Ints, random: np.random.Generator) -> Floats:
    """An artist's fame by power law, a track's share of it by chance, a reissue little of it; sums to 1."""
    fame = _zipf(int(artist[-1]) + 1, POPULARITY_EXPONENT, random)[artist]
    weights = fame * random.lognormal(0.0, 1.0, len(artist))
    weights = np.where(same_as == np.arange(len(artist)), weights, 0.1 * weights)
    return weights / weights.sum()


def _lengths(tracks: int, random: np.random.Generator) -> Ints:
    """Around three and a half minutes; one in fifty is an interlude of less than one, [tracks], ms."""
    song_s = np.clip(random.lognormal(np.log(212.0), 0.3, tracks), 62.0, LONGEST_TRACK_MS / SECOND_MS)
    interlude_s = random.uniform(15.0, 58.0, tracks)
    seconds = np.where(random.random(tracks) < 0.02, interlude_s, song_s)
    return np.round(seconds * SECOND_MS).astype(np.int64)


def track_table(config: WorldConfig, music: Catalog) -> pa.Table:
    """The tracks by name, in the columns of raw.tracks; a reissue tells its original's facts, of another album."""
    random = generator(config, Stream.NAMES)
    tongue_of_scene = random.choice(len(TONGUE_SHARES), len(music.scene_vectors), p=TONGUE_SHARES)
    artists = artist_names(tongue_of_scene[music.scene_of_artist].tolist(), random)
    albums = titles(int(music.album[-1]) + 1, random)
    tracks = titles(config.tracks, random)
    year = random.integers(70, 126, len(artists)) % 100
    with_isrc = random.random(config.tracks) < WITH_ISRC
    with_mbid = random.random(config.tracks) < WITH_MBID
    same, artist = music.same_as.tolist(), music.artist.tolist()
    return pa.table(
        {
            "source_track_id": track_ids(config.tracks),
            "title": [tracks[i] for i in same],
            "artist": [artists[a] for a in artist],
            "album": [albums[i] for i in music.album.tolist()],
            "isrc": [_isrc(i, year[a]) if with_isrc[i] else None for i, a in zip(same, artist, strict=True)],
            "mbid": [_mbid(config.seed, i) if with_mbid[i] else None for i in same],
            "track_ms": pa.array(music.track_ms),
        }
    )


def track_ids(tracks: int) -> pa.Array:
    """`world:<n>`, [tracks]."""
    return pa.array([f"world:{n}" for n in range(tracks)])


def _isrc(track: int, year: int) -> str:
    """A code of the country ZZ, which no country is: it can be no real recording's."""
    return f"ZZ{track // 100_000:03}{year:02}{track % 100_000:05}"


def _mbid(seed: int, track: int) -> str:
    digest = blake2b(f"{seed}:{track}".encode(), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))
