"""Our estimators beside Open Bandit Pipeline's, each in its own environment, on the logs that its wheel brings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.local import environment
from models.experiments.off_policy import (
    Predicted,
    Rounds,
    direct_method,
    doubly_robust,
    expected,
    inverse_propensity,
    self_normalised,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not environment.installed("obp"), reason="`make .venv-obp/.synced` installs obp"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    python = environment.folder("obp") / "bin" / "python"
    peer = Path(__file__).with_name("obp_peer.py")
    command = [str(python), str(peer), str(tmp_path_factory.mktemp("obp"))]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def logged(file: str) -> tuple[Rounds, Predicted]:
    with np.load(file) as arrays:
        action, slot = arrays["action"], arrays["position"]
        chances, predicted = arrays["chances"], arrays["predicted"].astype(np.float64)
        rewards, propensities = arrays["reward"].astype(np.float64), arrays["pscore"]
    rounds, actions = predicted.shape
    every = np.arange(rounds)
    log = Rounds(rewards, propensities, chances[action, slot], every)
    target = expected(rounds, np.repeat(every, actions), chances.T[slot].ravel(), predicted.ravel())
    return log, Predicted(predicted[every, action], target)


def test_every_estimate_is_obps_to_a_billionth(told: list[dict[str, Any]]) -> None:
    assert len(told) == 4
    for case in told:
        log, predicted = logged(case["file"])
        ours = {
            "ips": inverse_propensity(log).value,
            "snips": self_normalised(log).value,
            "direct method": direct_method(log, predicted).value,
            "doubly robust": doubly_robust(log, predicted).value,
        }
        assert ours == pytest.approx(case["values"], rel=1e-9, abs=1e-12), case


def test_the_interval_of_ips_is_as_wide_as_obps_but_for_the_draws(told: list[dict[str, Any]]) -> None:
    for case in told:
        log, _ = logged(case["file"])
        low, high = case["ips interval"]
        for ours in (inverse_propensity(log).normal(), inverse_propensity(log).bootstrap(seed=5)):
            assert ours.high - ours.low == pytest.approx(high - low, rel=0.25)
            assert abs((ours.high + ours.low) - (high + low)) < 0.25 * (high - low)
