"""Runs in Airflow's environment: steps that end with the exit codes it is given; what each raises, as JSON."""

from __future__ import annotations

import json
import sys

from airflow.sdk.exceptions import AirflowException

from dags.step_operator import StepOperator


def ended(code: str) -> str:
    """What the operator makes of a command that ends so."""
    step = StepOperator(task_id="step", bash_command=f"exit {code}")
    try:
        step.execute({})
    except AirflowException as error:
        return type(error).__name__
    return "nothing"


sys.stdout.write("\n" + json.dumps({code: ended(code) for code in sys.argv[1:]}) + "\n")
