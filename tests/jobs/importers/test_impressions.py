"""What was shown, brought in from a file: each slot once, bad rows aside."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.importers.told import ImportRefused
from tests.jobs.importers.conftest import NOW_MS, Importing
from tests.jobs.tables import rows_of
from warehouse.tables import RAW_ERASURES, RAW_IMPRESSIONS

SHOWN_MS = 1_704_110_400_000


def slot(number: int, **other: Any) -> dict[str, Any]:
    return {
        "impression_id": "a1",
        "listener_id": "ada",
        "shelf": "for-you",
        "slot": number,
        "track_id": f"w:{number}",
        "source": "random",
        "model_version": "mixture",
        "propensity": 0.25,
        "received_ms": SHOWN_MS,
        **other,
    }


def parquet(*rows: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), buffer)
    return buffer.getvalue()


def test_slots_land_as_they_were_shown_and_once(bring: Importing) -> None:
    file = bring.write("shown.parquet", parquet(slot(0), slot(1), slot(1)))
    summary = bring(file)
    assert (summary.files[0].format, summary.slot_rows, summary.impressions, summary.rows) == ("impressions", 3, 2, 0)
    assert bring(file).impressions == 0
    assert bring.rows(RAW_IMPRESSIONS, "slot", "track_id", "propensity", "received_ms", "experiment") == [
        (0, "w:0", 0.25, SHOWN_MS, None),
        (1, "w:1", 0.25, SHOWN_MS, None),
    ]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"slot": -1}, "slot is -1; wanted a whole number"),
        ({"propensity": 0.0}, "propensity is 0.0; wanted a chance"),
        ({"received_ms": NOW_MS * 2}, "wanted a time that is not in the future"),
        ({"track_id": ""}, "track_id is missing; wanted 1 to 256"),
        ({"shelf": None}, "shelf is missing"),
    ],
)
def test_a_slot_that_cannot_be_is_set_aside_with_the_reason(
    bring: Importing, wrong: dict[str, Any], reason: str
) -> None:
    summary = bring(bring.write("shown.parquet", parquet(slot(0), slot(1, **wrong))))
    assert (summary.impressions, summary.quarantined) == (1, 0)  # rows that tell of plays alone are counted
    assert summary.files[0].quarantined == 1
    [(told, listener)] = bring.quarantine("reason", "listener_id")
    assert reason in told
    assert listener == "ada"


def test_a_column_of_another_kind_is_refused(bring: Importing) -> None:
    with pytest.raises(ImportRefused, match=r"'slot'.*wanted int32"):
        bring(bring.write("shown.parquet", parquet(slot(0, slot="first"))))


def test_what_was_shown_before_a_listener_erased_everything_stays_out(bring: Importing) -> None:
    gone = {"erasure_id": "e", "listener_id": "ada", "play_id": None, "received_ms": SHOWN_MS}
    bring.lake.append(RAW_ERASURES, rows_of(RAW_ERASURES, [gone]))
    later = slot(0, impression_id="a2", received_ms=SHOWN_MS + 1)
    assert bring(bring.write("shown.parquet", parquet(slot(0), later))).impressions == 1
    assert bring.rows(RAW_IMPRESSIONS, "impression_id") == ["a2"]
