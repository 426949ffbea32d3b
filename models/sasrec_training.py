"""Fitting the transformer of `models.sasrec` with JAX, on a GPU where there is one.

Every position of a window learns to tell the next track: by the softmax over all tracks (Klenitskiy and Vasilev 2023
find that this, not the architecture, is what made later models better than SASRec), or, for large catalogs, by one over
sampled tracks whose odds are corrected for how likely each is to be drawn (Bengio and Senecal 2008). Adam with weight
decay, the learning rate warmed up and then lowered by a cosine.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from models.base import NOBODY, Floats, Interactions, Positions, Sequences
from models.progress import UNHEARD, Checkpoint, PartProgress, Progress, parts_before
from models.sasrec import Sasrec, SasrecConfig
from models.training_state import as_arrays, restored

NARROWEST = 8  # plays in the narrowest batch
_WARM_UP = 0.05  # the share of the steps in which the learning rate rises
_CLIPPED = 1.0  # the largest norm of a gradient
_POPULARITY_POWER = 0.75  # of the distribution that negatives are drawn from (Mikolov et al. 2013)
_NEVER = -1e9


class Block(nn.Module):
    """Attention over earlier plays and a small network a play, each after a normalisation and added to what it read."""

    config: SasrecConfig

    @nn.compact
    def __call__(self, states: jax.Array, there: jax.Array, *, training: bool) -> jax.Array:
        drop = nn.Dropout(self.config.dropout, deterministic=not training)
        mixed = self._mixed(nn.LayerNorm(name="before_mixing")(states), there, drop)
        states = states + drop(mixed)
        wide = nn.Dense(4 * self.config.dimensions, name="widened")(nn.LayerNorm(name="before_widening")(states))
        return states + drop(nn.Dense(self.config.dimensions, name="narrowed")(drop(nn.relu(wide))))

    def _mixed(self, states: jax.Array, there: jax.Array, drop: nn.Dropout) -> jax.Array:
        attended = self._attended(states, there, drop)
        share = self.config.low_pass
        if not share:
            return attended
        back = jnp.arange(states.shape[1])[:, None] - jnp.arange(states.shape[1])
        near = ((back >= 0) & (back < self.config.window)) * there[:, None, :].astype(jnp.float32)
        slow = near @ states / jnp.maximum(near.sum(axis=-1, keepdims=True), 1.0)
        fast = self.param("fast", nn.initializers.normal(1.0), (self.config.dimensions,))
        return (1 - share) * attended + share * (slow + fast**2 * (states - slow))

    def _attended(self, states: jax.Array, there: jax.Array, drop: nn.Dropout) -> jax.Array:
        rows, length, dimensions = states.shape
        heads = self.config.heads
        query, key, value = (
            nn.Dense(dimensions, name=name)(states).reshape(rows, length, heads, -1)
            for name in ("query", "key", "value")
        )
        odds = jnp.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(dimensions // heads)
        allowed = jnp.tril(jnp.ones((length, length), bool)) & there[:, None, None, :]
        shares = drop(jax.nn.softmax(jnp.where(allowed, odds, _NEVER), axis=-1))
        mixed = jnp.einsum("bhqk,bkhd->bqhd", shares, value).reshape(rows, length, dimensions)
        return nn.Dense(dimensions, name="out")(mixed)


class Network(nn.Module):
    """The states after each play, and the embeddings and biases that score tracks after them."""

    config: SasrecConfig
    tracks: int

    def setup(self) -> None:
        config = self.config
        initial = nn.initializers.normal(1 / np.sqrt(config.dimensions))
        self.items = self.param("items", initial, (self.tracks, config.dimensions))
        self.bias = self.param("bias", nn.initializers.zeros, (self.tracks,))
        self.places = self.param("places", initial, (config.length, config.dimensions))
        self.blocks = [Block(config, name=f"block{block}") for block in range(config.blocks)]
        self.last = nn.LayerNorm(name="last")
        self.drop = nn.Dropout(config.dropout)

    def __call__(self, played: jax.Array, *, training: bool = False) -> jax.Array:
        """States [histories, plays, dimensions] of histories [histories, plays], padded in front with `NOBODY`."""
        there = played != NOBODY
        states = self.items[played] * np.sqrt(self.config.dimensions)
        states = states + self.places[self.config.length - played.shape[1] :]
        states = self.drop(jnp.where(there[..., None], states, 0.0), deterministic=not training)
        for block in self.blocks:
            states = block(states, there, training=training)
        return self.last(states)


@dataclass(frozen=True)
class Windows:
    """Stretches of histories, drawn anew for every epoch: for each play of a window the one that followed it."""

    sequences: Sequences
    length: int

    def drawn(self, random: np.random.Generator) -> tuple[Positions, Positions]:
        """Plays and what followed each [windows, length], padded in front with `NOBODY`; windows in random order.

        A history is cut at random places into stretches of `length` targets; each play but the first is a target.
        """
        starts, tracks = self.sequences.starts, self.sequences.tracks
        counts = np.maximum(np.diff(starts) - 1, 0)
        offsets = random.integers(0, self.length, len(counts)) * (counts > self.length)
        cuts = np.where(counts > 0, (counts + offsets + self.length - 1) // self.length, 0)
        rows = np.repeat(np.arange(len(counts)), cuts)
        number = np.arange(len(rows)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
        ends = np.minimum((number + 1) * self.length - offsets[rows], counts[rows])
        order = random.permutation(len(rows))
        rows, ends = rows[order], ends[order]
        places = ends[:, None] - np.arange(self.length, 0, -1)
        there = places >= 0
        absolute = starts[rows][:, None] + np.maximum(places, 0)
        return (
            np.where(there, tracks[absolute], NOBODY).astype(np.int32),
            np.where(there, tracks[np.minimum(absolute + 1, len(tracks) - 1)], NOBODY).astype(np.int32),
        )


def fit_sasrec(interactions: Interactions, config: SasrecConfig, progress: Progress = UNHEARD) -> Sasrec:
    """The members, each from its own seed. Raises ValueError where no play is known to follow another."""
    if interactions.sequences is None or not (np.diff(interactions.sequences.starts) > 1).any():
        raise ValueError("interactions without sequences of two plays; a transformer wants plays in their order")
    members = parts_before(progress.latest())
    for place in range(len(members), config.members):
        own = dataclasses.replace(config, seed=config.seed + place)
        called = f" of member {place + 1}" if config.members > 1 else ""
        part = PartProgress(progress, members, called)
        members.append(_fitted(interactions.sequences, interactions.popularity, own, part))
    return Sasrec(config, {name: np.stack([one[name] for one in members]) for name in members[0]})


def named(params: Any) -> dict[str, np.ndarray]:
    """The weights by their names, as arrays."""
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    return {".".join(step.key for step in path): np.asarray(value, np.float32) for path, value in leaves}


def _fitted(
    sequences: Sequences, popularity: Floats, config: SasrecConfig, progress: Progress
) -> dict[str, np.ndarray]:
    windows = Windows(sequences, config.length)
    steps = config.epochs * len(_epoch(windows, config, np.random.default_rng(0)))  # about as many with another seed
    random, key = np.random.default_rng(config.seed), jax.random.key(config.seed)
    plan = Plan(dataclasses.replace(config, seed=0, members=1), len(popularity), steps)
    params, state = _started(plan, key)
    begun, number = progress.latest(), 0
    if begun:
        params, state = restored((params, state), begun.arrays)
        random.bit_generator.state, number = begun.told["random"], begun.told["batches"]
    drawing = _drawing(popularity)
    odds = np.log(drawing).astype(np.float32)
    for epoch in range(begun.step if begun else 0, config.epochs):
        losses = []
        for played, wanted in _epoch(windows, config, random):
            negatives = _negatives(drawing, config, random)
            own = jax.random.fold_in(key, number)
            params, state, loss = _step(plan, params, state, played, wanted, negatives, odds, own)
            losses.append(loss)
            number += 1
        progress.tell("loss", epoch + 1, float(np.mean(jax.device_get(losses))))
        told = {"random": random.bit_generator.state, "batches": number}
        progress.keep(Checkpoint(epoch + 1, as_arrays((params, state)), told))
    return named(params)


def _negatives(drawing: Floats, config: SasrecConfig, random: np.random.Generator) -> np.ndarray | None:
    if not config.negatives:
        return None
    return random.choice(len(drawing), config.negatives, p=drawing).astype(np.int32)


@dataclass(frozen=True)
class Plan:
    """What is compiled for, once for all members and seeds: `config` is of seed 0 and one member."""

    config: SasrecConfig
    tracks: int
    steps: int

    @property
    def network(self) -> Network:
        return Network(self.config, self.tracks)

    @property
    def optimiser(self) -> optax.GradientTransformation:
        config = self.config
        warm = max(int(_WARM_UP * self.steps), 1)
        rate = optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, warm, self.steps + 1)
        return optax.chain(optax.clip_by_global_norm(_CLIPPED), optax.adamw(rate, weight_decay=config.weight_decay))


@partial(jax.jit, static_argnums=0)
def _started(plan: Plan, key: jax.Array) -> tuple[Any, Any]:
    params = plan.network.init(key, jnp.zeros((1, plan.config.length), jnp.int32))["params"]
    return params, plan.optimiser.init(params)


@partial(jax.jit, static_argnums=0, donate_argnums=(1, 2))
def _step(
    plan: Plan, params: Any, state: Any, played: Any, wanted: Any, drawn: Any, odds: Any, key: Any
) -> tuple[Any, Any, jax.Array]:
    loss, gradient = jax.value_and_grad(_loss, argnums=1)(plan.network, params, played, wanted, drawn, odds, key)
    change, state = plan.optimiser.update(gradient, state, params)
    return optax.apply_updates(params, change), state, loss


def _epoch(windows: Windows, config: SasrecConfig, random: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Batches of windows of about one width each, no wider than they need be, in random order.

    Widths are powers of two times `NARROWEST`, and all batches of one width have one shape, so that few are compiled.
    """
    played, wanted = windows.drawn(random)
    plays = (wanted != NOBODY).sum(axis=1)
    batches, narrower, width = [], 0, min(NARROWEST, config.length)
    while narrower < config.length:
        chosen = np.flatnonzero((plays > narrower) & (plays <= width))
        rows = config.batch * config.length // width
        for start in range(0, len(chosen), rows):
            part = chosen[start : start + rows]
            missing = ((0, rows - len(part)), (0, 0))
            batches.append(
                tuple(np.pad(one[part, -width:], missing, constant_values=NOBODY) for one in (played, wanted))
            )
        narrower, width = width, min(2 * width, config.length)
    return [batches[place] for place in random.permutation(len(batches))]


def _drawing(popularity: Floats) -> Floats:
    heavy = np.maximum(popularity, 1e-3) ** _POPULARITY_POWER
    return heavy / heavy.sum()


def _loss(network: Network, params: Any, played: Any, wanted: Any, drawn: Any, odds: Any, key: Any) -> jax.Array:
    """Mean cross entropy of what followed each play."""
    states = network.apply({"params": params}, played, training=True, rngs={"dropout": key})
    there = wanted != NOBODY
    target = jnp.maximum(wanted, 0)
    right = (states * params["items"][target]).sum(axis=-1) + params["bias"][target]
    if drawn is None:
        losses = _softmax_loss(states @ params["items"].T + params["bias"], right, network.config.label_smoothing)
    else:
        wrong = states @ params["items"][drawn].T + params["bias"][drawn] - odds[drawn]
        losses = _sampled_loss(jnp.where(target[..., None] == drawn, _NEVER, wrong), right - odds[target])
    return jnp.where(there, losses, 0.0).sum() / jnp.maximum(there.sum(), 1)


def _softmax_loss(logits: jax.Array, right: jax.Array, smoothing: float) -> jax.Array:
    """Over all tracks; the right one's is not looked up in the logits, for the sake of a cheaper gradient."""
    losses = jax.nn.logsumexp(logits, axis=-1) - (1 - smoothing) * right
    return losses - smoothing * logits.mean(axis=-1) if smoothing else losses


def _sampled_loss(wrong: jax.Array, right: jax.Array) -> jax.Array:
    """Over the drawn tracks and the right one, whose log odds are less those of being drawn."""
    return jax.nn.logsumexp(jnp.concatenate([right[..., None], wrong], axis=-1), axis=-1) - right
