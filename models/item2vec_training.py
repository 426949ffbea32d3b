"""Fitting item2vec with JAX: skip-gram with negative sampling (Mikolov et al. 2013) over sessions.

The tracks of a batch share their negatives, so that a step is two small matrix products; the weight of a pair's
negatives is still that of `PER_PAIR` drawn for it alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from models.base import Floats, Interactions, Positions, Sequences
from models.item2vec import Item2vec, Item2vecConfig
from models.progress import UNHEARD, Checkpoint, Progress
from models.reaching import told_order
from models.training_state import as_arrays, restored

PER_PAIR = 5  # negatives that a pair counts as


def fit_item2vec(interactions: Interactions, config: Item2vecConfig, progress: Progress = UNHEARD) -> Item2vec:
    """The vectors of the centres. Raises ValueError where the order of plays is not known."""
    sequences = told_order(interactions, Item2vec.name)
    random = np.random.default_rng(config.seed)
    shape = (interactions.tracks, config.dimensions)
    params = {
        "centres": jnp.asarray(random.normal(0, 1 / config.dimensions, shape), jnp.float32),
        "contexts": jnp.zeros(shape, jnp.float32),
    }
    state = optax.adam(config.learning_rate).init(params)
    begun = progress.latest()
    if begun:
        params, state = restored((params, state), begun.arrays)
        random.bit_generator.state = begun.told["random"]
    counts = np.bincount(sequences.tracks, minlength=interactions.tracks)
    drawing, keep = _drawing(counts, config.exponent), _kept_shares(counts, config)
    for epoch in range(begun.step if begun else 0, config.epochs):
        losses = []
        for pairs, real in _batches(sequences, keep, config, random):
            drawn = np.searchsorted(drawing, random.random(config.negatives)).astype(np.int32)
            params, state, loss = _step(config.learning_rate, params, state, pairs, drawn, real)
            losses.append(loss)
        progress.tell("loss", epoch + 1, float(np.mean(jax.device_get(losses))))
        progress.keep(Checkpoint(epoch + 1, as_arrays((params, state)), {"random": random.bit_generator.state}))
    seen = np.zeros(interactions.tracks, bool)
    seen[np.concatenate(beside(sequences, np.ones(len(sequences.tracks), bool), 1))] = True
    return Item2vec(config, np.where(seen[:, None], np.asarray(params["centres"]), np.float32(0)))


def beside(sequences: Sequences, kept: np.ndarray, window: int) -> tuple[Positions, Positions]:
    """Tracks of one session at most `window` kept plays apart: each pair once, the earlier first."""
    tracks, sessions = sequences.tracks[kept], sequences.each_session[kept]
    earlier, later = [], []
    for apart in range(1, window + 1):
        together = sessions[apart:] == sessions[:-apart]
        earlier.append(tracks[:-apart][together])
        later.append(tracks[apart:][together])
    return np.concatenate(earlier), np.concatenate(later)


def _drawing(counts: Positions, exponent: float) -> Floats:
    """The cumulative distribution that negatives are drawn from, over tracks that were played."""
    heavy = np.where(counts > 0, np.maximum(counts, 1).astype(np.float64) ** exponent, 0.0)
    return np.cumsum(heavy) / heavy.sum()


def _kept_shares(counts: Positions, config: Item2vecConfig) -> Floats:
    """How likely a play of each track is to be kept in an epoch [tracks]."""
    if not config.frequent:
        return np.ones(len(counts))
    share = counts / max(counts.sum(), 1)
    return np.minimum(np.sqrt(config.frequent / np.maximum(share, 1e-12)), 1.0)


def _batches(
    sequences: Sequences, keep: Floats, config: Item2vecConfig, random: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of one epoch: pairs [2, batch] in both directions, in random order, and which of them are real [batch]."""
    kept = random.random(len(sequences.tracks)) < keep[sequences.tracks]
    earlier, later = beside(sequences, kept, config.window)
    pairs = np.stack([np.append(earlier, later), np.append(later, earlier)]).astype(np.int32)
    pairs = pairs[:, random.permutation(pairs.shape[1])]
    for start in range(0, pairs.shape[1], config.batch):
        part = pairs[:, start : start + config.batch]
        missing = config.batch - part.shape[1]  # one shape for all, so that it compiles once
        yield np.pad(part, ((0, 0), (0, missing))), np.arange(config.batch) < part.shape[1]


@partial(jax.jit, static_argnums=0, donate_argnums=(1, 2))
def _step(rate: float, params: Any, state: Any, pairs: Any, drawn: Any, real: Any) -> tuple[Any, Any, jax.Array]:
    loss, gradient = jax.value_and_grad(_loss)(params, pairs, drawn, real)
    change, state = optax.adam(rate).update(gradient, state, params)
    return optax.apply_updates(params, change), state, loss


def _loss(params: Any, pairs: Any, drawn: Any, real: Any) -> jax.Array:
    """The mean over pairs of -log s(c . o) - (PER_PAIR / negatives) * sum of log s(-c . n)."""
    centre = params["centres"][pairs[0]]
    together = jax.nn.log_sigmoid((centre * params["contexts"][pairs[1]]).sum(axis=-1))
    apart = jax.nn.log_sigmoid(-centre @ params["contexts"][drawn].T)
    apart = jnp.where(pairs[1][:, None] == drawn, 0.0, apart).sum(axis=-1) * (PER_PAIR / len(drawn))
    return -jnp.where(real, together + apart, 0.0).sum() / real.sum()
