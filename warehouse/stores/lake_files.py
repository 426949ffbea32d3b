"""Opening the lake's tables: what its clients raise where files are damaged or gone, told as one error in one line."""

from __future__ import annotations

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError


class LakeBroken(OSError):
    """Files of the lake are damaged, gone or out of reach; says what was being done, where, and what was found."""

    @classmethod
    def by(cls, error: Exception, doing: str) -> LakeBroken:
        """The first line of what a client has raised; a backtrace may follow it."""
        return cls(f"{doing}: {next(iter(str(error).splitlines()), type(error).__name__)}")


def opened(location: str, version: int | None = None) -> DeltaTable:
    """One version of the table there, the newest by default. Raises TableNotFoundError and `LakeBroken`."""
    try:
        return DeltaTable(location, version=version)
    except TableNotFoundError:
        raise
    except DeltaError as error:
        raise LakeBroken.by(error, f"opening the table at {location}") from error
