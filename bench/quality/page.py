"""docs/quality.md from bench/results/quality.json: `python -m bench.quality.page` writes it, a test holds it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.quality.data import names
from bench.report import RESULTS, machine

Document = dict[str, Any]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "quality.md"
ROWS = RESULTS / "quality.json"
PROTOCOLS = {
    "gowalla": "LightGCN's split of Gowalla. All items that a user's training list lacks are ranked.",
    "lastfm-s3rec": "Last.fm as S3-Rec has it. The last item of each sequence is held out; all items that are not in "
    "the rest are ranked.",
    "nowplaying": "#nowplaying sessions, split by time. Each prefix of each test session asks for the next track.",
    "30music-next": "30Music. The last session of each listener with at least three: each step asks for the next. "
    "What other listeners played later is known to all models alike.",
    "30music-new": "30Music, split at 2014-12-21 00:00 UTC. Warm listeners are asked for tracks that are new to them.",
    "30music-all": "30Music, split at the same moment. Warm listeners are asked for all that they play.",
    "30music-cold": "30Music, split at the same moment. Listeners of whom nothing is known: all models answer alike.",
    "hetrec-lastfm": "HetRec 2011's Last.fm. Five folds over listeners, four fifths of whose artists are told.",
}
HEAD = """# How good the recommendations are

Written by `python -m bench.quality.page` from `bench/results/quality.json`, which `make bench-quality` writes. Ours and
our peers' models learn from the same training data, answer the same cases, and are measured by the same code. Settings
were chosen on validation splits of the training data alone, in half an hour at most a model and data set, peers alike
(`models/recipes`, `bench/quality/peers.json`); Gowalla's is drawn to be
[as popular as its test](decisions/0009-gowallas-validation.md), and its peers' settings are from the one before. The
tests of 30Music after a day had been seen twice before [the stack](decisions/0011-stacked-learners.md) was measured
there, and the second look [took a validation back](decisions/0010-months-of-validation.md). Where seeds matter there
are five; rows that tell of none were measured once. *Won* stands only where the paired 95% bootstrap interval over
listeners, of ours less the best peer, is above zero. Published figures are quoted, not measured: how their authors
chose settings we cannot say.
"""
WHOSE = {True: "ours", False: "peer", "published": "published"}


def page(rows: Sequence[Document]) -> str:
    """The whole page."""
    parts = [_part(name, [row for row in rows if row["data"] == name]) for name in names()]
    summary = [_summary(name, [row for row in rows if row["data"] == name]) for name in names()]
    table = (
        "| data | metric | our best | best peer | ours less peer | | best published |\n|---|---|---|---|---|---|---|\n"
    )
    return "\n".join([HEAD, table + "".join(summary), *(part for part in parts if part)])


def _summary(name: str, rows: Sequence[Document]) -> str:
    measured = [row for row in rows if row["ours"] is True]
    if not measured:
        return ""
    metric = measured[0]["metric"]
    mine, peer, paper = (_best(rows, whose, metric) for whose in (True, False, "published"))
    cells = [
        f"[{name}](#{name})",
        metric,
        _named(mine, metric),
        _named(peer, metric),
        _difference(mine),
        _verdict(mine),
        _named(paper, metric),
    ]
    return f"| {' | '.join(cells)} |\n"


def _best(rows: Sequence[Document], whose: object, metric: str) -> Document | None:
    chosen = [row for row in rows if row["ours"] is whose or row["ours"] == whose == "published"]
    return max(chosen, key=lambda row: float(row.get(metric, 0.0)), default=None)


def _named(row: Document | None, metric: str) -> str:
    return f"{row[metric]:.4f} {row['model']}" if row else ""


def _difference(row: Document | None) -> str:
    return _told(row["against"]["peer"]) if row else ""


def _told(against: Document | None) -> str:
    return f"{against['mean']:+.4f} ({against['low']:+.4f} to {against['high']:+.4f})" if against else ""


def _verdict(row: Document | None) -> str:
    if row is None or row["against"]["peer"] is None:
        return ""
    if row["wins"]:
        return "won"
    return "**lost**" if row["against"]["peer"]["high"] < 0 else "not told apart"


def _part(name: str, rows: Sequence[Document]) -> str:
    if not rows:
        return ""
    metrics = list(dict.fromkeys(key for row in rows for key in row if "@" in key))
    head = ["model", "whose", *metrics, "95% interval", "less our best", "seeds", "fit, s"]
    lines = [f"## {name}\n", PROTOCOLS[name] + "\n", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join(_cells(row, metrics))} |" for row in rows]
    return "\n".join([*lines, "", *_words(rows)])


def _cells(row: Document, metrics: Sequence[str]) -> list[str]:
    figures = [f"{row[metric]:.4f}" if metric in row else "" for metric in metrics]
    if row["ours"] == "published":
        return [row["model"], f"published: {row['source']}", *figures, "", "", "", ""]
    interval = "{:.4f} to {:.4f}".format(*row["interval"])
    seeds = str(len(row["seeds"])) if row["seeds"] else ""
    less = _told(row["against"]["ours"])
    return [row["model"], WHOSE[row["ours"]], *figures, interval, less, seeds, f"{row['seconds']:,.1f}"]


def _words(rows: Sequence[Document]) -> list[str]:
    """What was missed, and by how much."""
    measured = [row for row in rows if row["ours"] is True]
    if not measured:
        return []
    metrics = [key for key in measured[0] if "@" in key]
    words = []
    for metric in metrics:
        mine, paper = _best(rows, True, metric), _best(rows, "published", metric)
        if mine and paper and metric in paper:
            gap = mine[metric] - paper[metric]
            told = f"above it by {gap:.4f}" if gap > 0 else f"missed by {-gap:.4f}"
            line = f"- {metric}: published best {paper[metric]:.4f} ({paper['model']}), {told} ({mine['model']})"
            words.append(line + (f", {_where(paper[metric], mine['interval'])}." if metric == mine["metric"] else "."))
    return [*words, ""] if words else []


def _where(figure: float, interval: Sequence[float]) -> str:
    low, high = interval
    return f"{'within' if low <= figure <= high else 'outside'} our 95% interval"


def replace(name: str, rows: Sequence[Document]) -> None:
    """Put the rows of a data set in the place of those it had, and write both files."""
    kept = json.loads(ROWS.read_text(encoding="utf-8")) if ROWS.exists() else []
    on = machine()
    fresh = [{**row, "machine": on} if row["ours"] != "published" else row for row in rows]
    found = [row for row in kept if row["data"] != name] + fresh
    found.sort(key=lambda row: names().index(row["data"]))  # stable: the rows of a data set stay best first
    ROWS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(json.loads(ROWS.read_text(encoding="utf-8"))), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
