"""Ctrl-C at the moments at which Python cannot raise it: 130, the word that belongs there, and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backbeat.interrupts import INTERRUPTED, ends_at_once

INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
LOADING = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from backbeat.__main__ import program
program()
"""


def ended(code: str, home: Path, *arguments: str) -> tuple[int, str, str]:
    """What a Python of its own ends with, and says on each stream."""
    environment = {**os.environ, "BACKBEAT_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_ctrl_c_while_the_command_line_loads_is_quiet(tmp_path: Path) -> None:
    assert ended(LOADING.format(module="cyclopts"), tmp_path, "runs") == (INTERRUPTED, "", "")


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("backbeat.runs", ["runs"]), ("warehouse.stores.sqlite_rows", ["similar", "t"])],  # as it loads, and as it works
)
def test_ctrl_c_in_a_command_is_told_in_a_line(module: str, arguments: list[str], tmp_path: Path) -> None:
    code, out, err = ended(LOADING.format(module=module), tmp_path, *arguments)
    assert (code, out) == (INTERRUPTED, "")
    assert err == "backbeat: interrupted; `backbeat runs` says how far a run had come\n"


def test_ctrl_c_in_a_callback_from_which_nothing_can_be_raised_ends_the_process_with_what_is_to_be_said(
    tmp_path: Path,
) -> None:
    code = f"""
import gc
from backbeat.interrupts import ends_at_once
def collected(*_):  # as XLA's own: what it raises is printed and forgotten
    {INTERRUPT}
print("begun")
with ends_at_once(lambda: "interrupted; it goes on"):
    gc.callbacks.append(collected)
    gc.collect()
"""
    assert ended(code, tmp_path) == (INTERRUPTED, "begun\n", "interrupted; it goes on\n")


def test_afterwards_ctrl_c_is_raised_again() -> None:
    with ends_at_once():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_process_that_ignores_ctrl_c_still_does(tmp_path: Path) -> None:
    code = f"""
import signal
from backbeat.interrupts import ends_at_once
signal.signal(signal.SIGINT, signal.SIG_IGN)
with ends_at_once():
    {INTERRUPT}
print("done")
"""
    assert ended(code, tmp_path) == (0, "done\n", "")
