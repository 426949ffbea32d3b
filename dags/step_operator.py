"""A step under Airflow: one command, which is not tried again where that would change nothing."""

from __future__ import annotations

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

BAD_USAGE, FAILS_AGAIN = 2, 3  # what `backbeat run --detailed-exit` ends with


class StepOperator(BashOperator):  # type: ignore[misc]  # Airflow is in an environment of its own, so mypy sees Any
    """A step is done or has failed; with these two exit codes it has failed for good, whatever retries are left."""

    def __init__(self, *, bash_command: str, **kwargs: object) -> None:
        super().__init__(bash_command=bash_command, skip_on_exit_code=(BAD_USAGE, FAILS_AGAIN), **kwargs)

    def execute(self, context: Context) -> object:
        """Run the command. Raises `AirflowFailException` for those two codes, `AirflowException` for others but 0."""
        try:
            return super().execute(context)
        except AirflowSkipException:
            told = f"{self.task_id} would end the same if it were tried again: first mend what it says above"
            raise AirflowFailException(told) from None
