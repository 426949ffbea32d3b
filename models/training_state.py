"""The state of a training by JAX as arrays by name, which checkpoints hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

Tree = TypeVar("Tree")


def as_arrays(tree: Any) -> dict[str, npt.NDArray[Any]]:
    """Copies of the leaves, named by their place."""
    return {_name(place): np.array(leaf) for place, leaf in enumerate(jax.tree_util.tree_leaves(tree))}


def restored(like: Tree, arrays: Mapping[str, npt.NDArray[Any]]) -> Tree:
    """The tree of the shape of `like` whose leaves `as_arrays` named."""
    leaves, structure = jax.tree_util.tree_flatten(like)
    told = [jnp.array(arrays[_name(place)]).reshape(leaf.shape) for place, leaf in enumerate(leaves)]
    tree: Tree = jax.tree_util.tree_unflatten(structure, told)
    return tree


def _name(place: int) -> str:
    return f"leaf {place}"
