"""Open Bandit Pipeline's estimates on the logs in its wheel. Runs in `.venv-obp`: `python obp_peer.py FOLDER`.

Prints a JSON list of cases; the log of each, the target policy and the predicted rewards go to FOLDER as npz.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from obp.dataset import OpenBanditDataset
from obp.ope import (
    DirectMethod,
    DoublyRobust,
    InverseProbabilityWeighting,
    RegressionModel,
    SelfNormalizedInverseProbabilityWeighting,
)
from obp.policy import BernoulliTS, Random
from sklearn.linear_model import LogisticRegression

CASES = (("random", "men", "bts"), ("bts", "men", "random"), ("random", "women", "bts"), ("bts", "all", "random"))
ESTIMATORS = {
    "ips": InverseProbabilityWeighting,
    "snips": SelfNormalizedInverseProbabilityWeighting,
    "direct method": DirectMethod,
    "doubly robust": DoublyRobust,
}


def target_policy(name: str, campaign: str, actions: int, slots: int) -> Any:
    """Chances [actions, slots]: uniform, or Thompson sampling under the prior that was in production."""
    if name == "random":
        chances = Random(n_actions=actions, len_list=slots).compute_batch_action_dist(n_rounds=1)[0]
    else:
        policy = BernoulliTS(actions, slots, random_state=7, is_zozotown_prior=True, campaign=campaign)
        chances = policy.compute_batch_action_dist(n_rounds=1, n_sim=2_000)[0]
    return chances


def case(log_policy: str, campaign: str, target: str, folder: Path) -> dict[str, Any]:
    """The four estimates, IPS's interval, and where the arrays are."""
    data = OpenBanditDataset(behavior_policy=log_policy, campaign=campaign)
    log = data.obtain_batch_bandit_feedback()
    actions, slots, rounds = data.n_actions, data.len_list, data.n_rounds
    chances = target_policy(target, campaign, actions, slots)
    everywhere = np.broadcast_to(chances, (rounds, actions, slots))
    model = RegressionModel(
        n_actions=actions,
        len_list=slots,
        action_context=log["action_context"],
        base_model=LogisticRegression(max_iter=1_000),
    )
    fitted = {name: log[name] for name in ("context", "action", "reward", "pscore", "position")}
    predicted = model.fit_predict(**fitted, action_dist=everywhere, n_folds=2, random_state=7)
    told = {name: log[name] for name in ("action", "reward", "pscore", "position")}
    told |= {"action_dist": everywhere, "estimated_rewards_by_reg_model": predicted}
    file = folder / f"{log_policy}-{campaign}.npz"
    at_slot = predicted[np.arange(rounds), :, log["position"]]
    np.savez(file, **{name: log[name] for name in fitted if name != "context"}, chances=chances, predicted=at_slot)
    interval = InverseProbabilityWeighting().estimate_interval(**told, n_bootstrap_samples=400, random_state=7)
    values = {name: float(estimator().estimate_policy_value(**told)) for name, estimator in ESTIMATORS.items()}
    bounds = [interval["95.0% CI (lower)"], interval["95.0% CI (upper)"]]
    return {"log": log_policy, "campaign": campaign, "file": str(file), "values": values, "ips interval": bounds}


if __name__ == "__main__":
    warnings.simplefilter("ignore", FutureWarning)  # it calls pandas as older ones liked it
    json.dump([case(*named, Path(sys.argv[1])) for named in CASES], sys.stdout)
