"""How a run shows that it is alive: a progress bar on a terminal, a plain line a step elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from jobs.plan import Step
from jobs.runner import StepDone, Watcher


class Silence:
    """Says nothing: the answer comes at the end."""

    def began(self, step: Step) -> None: ...

    def ended(self, done: StepDone) -> None: ...


class Lines:
    """A line when a step ends."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen

    def began(self, step: Step) -> None: ...

    def ended(self, done: StepDone) -> None:
        days = f", {done.days:,} days" if done.days else ""
        self._screen.print(f"{done.step}: {done.written:,} rows{days}, {done.seconds:.1f} s", markup=False)


class Bar:
    """A bar over all steps that names the one at work."""

    def __init__(self, progress: Progress, steps: int) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=steps)

    def began(self, step: Step) -> None:
        self._progress.update(self._task, description=step.name)

    def ended(self, done: StepDone) -> None:
        self._progress.update(self._task, description=done.step, advance=1)


@contextmanager
def watcher_for(screen: Console | None, steps: Sequence[Step]) -> Iterator[Watcher]:
    """The watcher that suits the screen; none is a program that reads JSON."""
    if screen is None:
        yield Silence()
    elif not screen.is_terminal:
        yield Lines(screen)
    else:
        columns = (SpinnerColumn(), TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=screen, transient=True) as progress:
            yield Bar(progress, len(steps))
