"""Who is measured on which data set: our learners with their recipes, and our peers with what was found for them.

`peers.json` holds the peers' best settings by data set, as `python -m bench.quality.search` finds them on validation
data; the learners' are in `models/recipes`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.quality.systems import Ours, Peer, System
from models.recipes import recipes

PEERS = Path(__file__).with_name("peers.json")
PUBLISHED = Path(__file__).with_name("published.json")
_NEIGHBOURS = {"K": (20, 50, 100, 200, 400)}
_NEXT = {"of": ("sessions",), "last": (1, 2, 3, 5, 10, None)}
_RANDOM_WALK = {
    "beta": (0.0, 0.05, 0.1, 0.2, 0.4),
    "top_k": (50, 100, 200, 400, 800),
    "normalize_weight": (True, False),
}
_LISTS = ("gowalla", "lastfm-s3rec", "30music-new", "30music-all", "hetrec-lastfm")
_STEPS = ("nowplaying", "30music-next")


@dataclass(frozen=True)
class Space:
    """A model of a peer: where it is measured, which values of each setting are tried, whether a seed matters."""

    where: Sequence[str]
    settings: Mapping[str, Sequence[Any]]
    seeded: bool = False


# measured as they come where nobody tuned them: what can say something there
ALWAYS: Mapping[str, Sequence[str]] = {
    "gowalla": ("popularity", "als"),
    "lastfm-s3rec": ("popularity", "transitions", "als"),
    "nowplaying": ("popularity", "transitions"),
    "30music-next": ("popularity", "repeat", "transitions", "als"),
    "30music-new": ("popularity", "als"),
    "30music-all": ("popularity", "repeat", "als"),
    "30music-cold": ("popularity",),
    "hetrec-lastfm": ("popularity", "als"),
}

SPACES: Mapping[str, Space] = {
    "implicit als": Space(
        (*_LISTS, "30music-next"),
        {
            "factors": (64, 128, 256),
            "regularization": (0.01, 0.1, 1.0, 5.0, 20.0),
            "alpha": (1.0, 3.0, 10.0, 40.0),
            "iterations": (10,),
            "binary": (True, False),
        },
        seeded=True,
    ),
    "implicit cosine": Space(_LISTS, _NEIGHBOURS),
    "implicit bm25": Space(_LISTS, {**_NEIGHBOURS, "K1": (0.3, 1.2, 5.0, 20.0, 100.0), "B": (0.1, 0.3, 0.5, 0.8)}),
    "implicit cosine of sessions": Space(_STEPS, {**_NEIGHBOURS, **_NEXT}),
    "implicit tfidf of sessions": Space(_STEPS, {**_NEIGHBOURS, **_NEXT}),
    "irspack ials": Space(
        _LISTS,
        {
            "n_components": (64, 128, 256),
            "alpha0": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
            "reg": (3e-4, 1e-3, 3e-3, 1e-2),
            "epochs": (16,),
        },
        seeded=True,
    ),
    "irspack rp3beta": Space((*_LISTS, "30music-next"), _RANDOM_WALK),
    "irspack dense-slim": Space(
        ("hetrec-lastfm", "lastfm-s3rec", "30music-new", "30music-all"),
        {"reg": (10.0, 30.0, 100.0, 300.0, 1000.0)},
    ),
    "irspack toppop": Space(("30music-cold",), {}),
    "lenskit ease": Space(
        ("hetrec-lastfm", "lastfm-s3rec", "30music-new", "30music-all"),
        {"regularization": (10.0, 30.0, 100.0, 300.0, 1000.0)},
    ),
    "lenskit slim": Space(
        ("hetrec-lastfm", "lastfm-s3rec", "30music-new", "30music-all"),
        {"l1_reg": (0.1, 0.5, 1.0, 2.0), "l2_reg": (0.5, 1.0, 3.0, 10.0), "max_nbrs": (50, 200)},
    ),
    "rectools sasrec": Space(
        ("lastfm-s3rec", "30music-next", "30music-new", "30music-all"),
        {
            "n_factors": (64, 128),
            "n_blocks": (1, 2),
            "dropout_rate": (0.2, 0.4),
            "session_max_len": (50,),
            "epochs": (5, 10, 20),
            "lr": (0.001,),
        },
        seeded=True,
    ),
}


def peer(name: str, settings: Mapping[str, Any]) -> Peer:
    """The peer of that name. Raises KeyError for one that has no space."""
    if name not in SPACES:
        raise KeyError(f"no peer {name}; there are {', '.join(SPACES)}")
    package, _, model = name.partition(" ")
    return Peer(package, model, settings, seeded=SPACES[name].seeded)


def settings_in(path: Path = PEERS) -> dict[str, dict[str, dict[str, Any]]]:
    """What was found for peers, by data set and peer; nothing where there is no such file."""
    found: dict[str, dict[str, dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def peers(data: str) -> list[System]:
    """Those that have settings for the data set."""
    return [peer(name, settings) for name, settings in settings_in().get(data, {}).items()]


def ours(data: str) -> list[System]:
    """Our learners with a recipe for the data set, and those that are measured without one."""
    told = {**{name: {} for name in ALWAYS[data]}, **recipes(data)}
    return [Ours(name, settings) for name, settings in told.items()]


def published(data: str) -> list[dict[str, Any]]:
    """What papers and leaderboards report for the data set."""
    rows: list[dict[str, Any]] = json.loads(PUBLISHED.read_text(encoding="utf-8")).get(data, [])
    return rows
