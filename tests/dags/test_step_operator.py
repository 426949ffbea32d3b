"""What a step under Airflow makes of the way in which its command ends."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from backbeat.output import BAD_USAGE, FAILED, FAILS_AGAIN

pytestmark = pytest.mark.servers


def test_a_step_that_would_end_the_same_is_failed_for_good_and_any_other_may_be_tried_again(
    airflow_script: Callable[..., str],
) -> None:
    codes = [0, FAILED, BAD_USAGE, FAILS_AGAIN, 99, 137]  # 99 is what Airflow's own operator takes for a skip
    raised = json.loads(airflow_script("try_step.py", *map(str, codes)).splitlines()[-1])
    assert [raised[str(code)] for code in codes] == [
        "nothing",
        "AirflowException",
        "AirflowFailException",
        "AirflowFailException",
        "AirflowException",
        "AirflowException",
    ]
