"""RecTools 0.19: SASRec (Kang and McAuley 2018) with a softmax over all tracks, on sequences of listeners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Trainer, seed_everything
from rectools.dataset import Dataset
from rectools.models import SASRecModel

from bench.peers.exchange import NOBODY, Integers, Task, answer

_MODEL = ("n_factors", "n_blocks", "dropout_rate", "session_max_len", "epochs", "lr")


def sasrec(task: Task, settings: dict[str, Any]) -> Integers:
    """Whoever is asked about is told as a new listener, with what they heard last."""
    torch.set_num_threads(2)
    seed_everything(settings["seed"], verbose=False)
    epochs = settings["epochs"]
    model = SASRecModel(
        **{name: settings[name] for name in _MODEL},
        n_heads=2,
        get_trainer_func=lambda: Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
        ),
    )
    model.fit(_dataset(task.starts, task.tracks))
    asked = _dataset(task.recent_starts, task.recent)
    users = np.flatnonzero(np.diff(task.recent_starts))
    told = model.recommend(users, asked, k=task.k, filter_viewed=bool(task.shape[2]), on_unsupported_targets="ignore")
    lists = np.full((task.cases, task.k), NOBODY, np.int64)
    lists[told["user_id"].to_numpy(), told["rank"].to_numpy() - 1] = told["item_id"].to_numpy()
    return lists


def _dataset(starts: Integers, tracks: Integers) -> Dataset:
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = pd.to_datetime(np.arange(len(rows)), unit="s")
    table = pd.DataFrame({"user_id": rows, "item_id": tracks, "weight": 1.0, "datetime": order})
    return Dataset.construct(table)


if __name__ == "__main__":
    answer({"sasrec": sasrec})
