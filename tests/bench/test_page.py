"""The page of benchmarks, and the command that runs them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.__main__ import BENCHES, main
from bench.page import PAGE, page
from bench.report import Result, write


def test_the_page_is_what_the_results_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m bench.page mends this"


def test_a_missed_goal_is_told_as_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        Result("fast", 2.5, "s", "peer", 2, "at most 1 s", ok=False, details={"times": 12.34567, "none": []}), tmp_path
    )
    write(Result("size", 1_234_567, "bytes", details={"by_size": {"1000": 0.25}, "interval": [1.0, 2.0]}), tmp_path)
    told = page(tmp_path)
    assert "| [fast](#fast) | 2.5 s | 2 (peer) | at most 1 s | **missed** |" in told
    assert "| [size](#size) | 1,234,567 bytes |  |  |  |" in told
    assert "- times: 12.35\n- none: none\n- machine: " in told
    assert "- by size: 1,000 0.25\n- interval: 1 to 2\n" in told
    assert capsys.readouterr().out.count("\n") == 2  # a JSON line each


def test_every_benchmark_has_its_module() -> None:
    assert [name for name, (module, *_) in BENCHES.items() if find_spec(module) is None] == []


def test_help_lists_the_benchmarks_and_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert ", ".join(BENCHES) in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit) as refused:
        main(["als", "flight"])
    assert refused.value.code == 2
    assert "no benchmark flight" in capsys.readouterr().err
