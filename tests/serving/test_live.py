"""How the stream does, as the API tells it: by what workers say of themselves, or by its own meter."""

from __future__ import annotations

import asyncio
import base64
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from jobs.runbook import RUNBOOK
from serving.live_answers import FeatureAnswer, StreamAnswer
from serving.service.accepts import Accepts
from serving.service.live import BEHIND_MS, REMEMBERED_MS, Live
from tests.fakes.memory_rows import MemoryRows
from tests.serving.house import NOW_MS, House, Letters, track
from warehouse.events import PLAYS, Event, Topic
from warehouse.stores.log import LogUnavailable
from warehouse.stores.rows import RowsUnavailable
from warehouse.workers import ALIVE_MS, FORGOTTEN_MS, LAST, LEDGER, WORKERS, LastLedger, WorkerStatus, worker_key

PLACE = "playback.play.v1/0"


class Watched:
    """A log of which a test says how far it is, and that workers fold."""

    folds = False

    def __init__(self) -> None:
        self.reached: dict[str, int] = {PLACE: 9}
        self.fault: Exception | None = None
        self.answers = threading.Event()
        self.answers.set()
        self.looks = 0

    def accept(self, topic: Topic, events: Sequence[Event]) -> None: ...

    def check(self) -> None: ...

    def ends(self) -> Mapping[str, int]:
        self.looks += 1
        self.answers.wait()
        if self.fault is not None:
            raise self.fault
        return self.reached


class Stage:
    """Live over rows in memory, with workers that say what a test lets them say."""

    def __init__(self) -> None:
        self.rows = MemoryRows()
        self.stream = Watched()
        self.letters = Letters()
        self.seconds = 0.0
        clock: Callable[[], int] = lambda: NOW_MS  # noqa: E731 - a clock that stands still
        accepts = Accepts(clock)
        self.live = Live(
            self.rows, self.stream, accepts, self.letters, clock, lambda: self.seconds, patience_seconds=0.05
        )

    def says(self, feature: str, worker: str = "1", *, ago_ms: int = 500, **more: Any) -> None:
        told: dict[str, Any] = {"events": 100, "per_second": 5.0, "delay_ms": 12, "places": {PLACE: 9}, **more}
        status = WorkerStatus(feature=feature, worker=worker, at_ms=NOW_MS - ago_ms, **told)
        key = worker_key(feature, worker)
        self.rows.put(WORKERS, key, msgspec.msgpack.encode(status), version=status.at_ms)

    def answer(self) -> StreamAnswer:
        return asyncio.run(self.live.answer())

    def feature(self) -> FeatureAnswer:
        (feature,) = self.answer().features
        return feature


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.stream.answers.set()
    made.live.close()


def test_workers_that_keep_up_are_no_problem(stage: Stage) -> None:
    stage.says("taste", plays_per_second=4.0, delays={0: 90, 25: 10})
    stage.says("trending")
    answer = stage.answer()
    assert answer.problems == ()
    assert (answer.folded_by, answer.plays_per_second, answer.lag, answer.delay_ms) == ("workers", 4.0, 0, 12)
    assert answer.fresh_p50_ms == 1.0
    assert answer.fresh_p99_ms == pytest.approx(10.8)
    assert [(one.feature, one.alive, one.lag) for one in answer.features] == [("taste", 1, 0), ("trending", 1, 0)]


def test_lag_is_what_no_worker_of_the_feature_has_written(stage: Stage) -> None:
    stage.says("taste", "1", places={PLACE: 4, "listener.signal.v1/1": 7})
    stage.says("taste", "2", places={PLACE: 6})
    stage.stream.reached = {PLACE: 9, "listener.signal.v1/1": 8}
    assert stage.feature().lag == 3 + 1


def test_a_feature_without_a_living_worker_is_told_with_its_age(stage: Stage) -> None:
    stage.says("taste", ago_ms=ALIVE_MS, places={PLACE: 5})
    answer = stage.answer()
    assert answer.problems == ("No worker of taste is alive.",)
    assert (answer.lag, answer.delay_ms) == (4, ALIVE_MS)
    assert [(one.alive, one.age_ms) for one in answer.features[0].workers] == [(False, ALIVE_MS)]


def test_a_worker_that_another_has_replaced_is_shown_for_a_while_and_counts_for_nothing(stage: Stage) -> None:
    stage.says("taste", "old", ago_ms=REMEMBERED_MS - 1, delay_ms=60_000)
    stage.says("taste", "older", ago_ms=REMEMBERED_MS)
    stage.says("taste", "new")
    feature = stage.feature()
    assert [(one.worker, one.alive) for one in feature.workers] == [("new", True), ("old", False)]
    assert (feature.alive, feature.delay_ms, feature.events_per_second) == (1, 12, 5.0)
    assert stage.answer().problems == ()


def test_a_broken_row_of_a_worker_is_named_among_the_problems(stage: Stage) -> None:
    stage.rows.put(WORKERS, "taste/1", b"\xc1", version=1)
    (problem,) = stage.answer().problems
    assert problem.startswith("row 'taste/1' of stream.workers is broken: ")


def test_a_worker_long_dead_is_forgotten_unless_nobody_has_done_its_work_since(stage: Stage) -> None:
    stage.says("taste", "dead", ago_ms=FORGOTTEN_MS)
    stage.says("taste", "further", ago_ms=FORGOTTEN_MS, places={PLACE: 10})
    stage.says("taste", "elsewhere", ago_ms=FORGOTTEN_MS + 1, places={"listener.signal.v1/1": 7})
    stage.says("taste", "not long", ago_ms=FORGOTTEN_MS - 1)
    stage.says("taste", "alive")
    stage.says("trending", "the last", ago_ms=9 * FORGOTTEN_MS)
    stage.answer()
    left = [key for key, _ in stage.rows.scan(WORKERS)]
    assert left == ["taste/alive", "taste/elsewhere", "taste/further", "taste/not long", "trending/the last"]


def test_what_is_worth_a_look_is_said_in_words(stage: Stage) -> None:
    stage.says("taste", delay_ms=BEHIND_MS)
    stage.letters.count = 2
    last = LastLedger(at_ms=NOW_MS - 1, days=3, accepted=10, counted=9, difference=1)
    stage.rows.put(LEDGER, LAST, msgspec.msgpack.encode(last), version=last.at_ms)
    answer = stage.answer()
    assert (answer.dead_letters, answer.ledger and answer.ledger.difference) == (2, 1)
    assert answer.problems == (
        "Taste is 5 s behind.",
        "2 dead letters wait: `backbeat deadletters` lists them.",
        "The last ledger does not add up: its difference is 1.",
    )


def test_before_the_first_worker_it_says_what_starts_them(stage: Stage) -> None:
    assert stage.answer().problems == ("No worker has ever said anything: `backbeat stream` starts them.",)


def test_a_log_that_is_away_leaves_the_rest_to_be_told(stage: Stage) -> None:
    stage.says("taste")
    stage.stream.fault = LogUnavailable("Kafka at 127.0.0.1:1: no answer")
    answer = stage.answer()
    assert answer.problems == ("Kafka at 127.0.0.1:1: no answer.",)
    assert (answer.log_up, answer.lag, answer.features[0].alive) == (False, None, 1)


def test_however_many_look_within_a_second_the_stores_are_asked_once(stage: Stage) -> None:
    stage.says("taste")

    async def crowd() -> None:
        await asyncio.gather(*(stage.live.answer() for _ in range(50)))
        stage.seconds = 0.9
        await stage.live.answer()
        assert stage.stream.looks == 1
        stage.seconds = 1.0
        await stage.live.answer()
        assert stage.stream.looks == 2

    asyncio.run(crowd())


def test_stores_that_hang_delay_no_answer_and_hold_one_thread(stage: Stage) -> None:
    stage.says("taste")

    async def look() -> None:
        known = await stage.live.answer()
        stage.stream.answers.clear()
        stage.seconds = 7.0
        began = time.monotonic()
        answers = await asyncio.gather(*(stage.live.answer() for _ in range(20)))
        assert time.monotonic() - began < 5
        assert stage.stream.looks == 2
        for answer in answers:
            assert answer.features == known.features
            assert answer.problems == ("The stores have not answered for 0 s.",)
        stage.stream.answers.set()
        await asyncio.sleep(0.2)
        assert (await stage.live.answer()).problems == ()

    asyncio.run(look())


def test_where_the_api_folds_nothing_is_ever_behind(house: House) -> None:
    house.listen("ada", track(1, 0), track(1, 1))
    answer = house.client.get("/v1/stream").json()
    assert (answer["folded_by"], answer["lag"], answer["log_up"], answer["problems"]) == ("api", 0, True, [])
    (feature,) = answer["features"]
    assert (feature["feature"], feature["alive"], feature["plays_per_second"]) == ("all", 1, 2 / 5)
    assert answer["fresh_p50_ms"] > 0


def test_a_rate_is_of_the_last_seconds() -> None:
    now = [NOW_MS]
    accepts = Accepts(lambda: now[0])
    accepts.note(PLAYS, 10, 3.0)
    assert accepts.status().plays_per_second == 2.0
    now[0] += 5_000
    assert (accepts.status().plays_per_second, accepts.status().events) == (0.0, 10)


@contextmanager
def rows_away(house: House) -> Iterator[None]:
    house.rows_fault = RowsUnavailable("rows at 127.0.0.1:1: no answer")
    yield
    house.rows_fault = None


def test_rows_that_are_away_are_no_failure_of_the_page(house: House) -> None:
    with rows_away(house):
        answer = house.client.get("/v1/stream")
    assert answer.status_code == 200
    assert answer.json()["problems"] == ["rows at 127.0.0.1:1: no answer."]


def test_the_page_runs_its_own_style_and_script_and_nothing_else(house: House) -> None:
    answer = house.client.get("/live")
    assert answer.headers["content-type"].startswith("text/html")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        digest = base64.b64encode(sha256(inside.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
        assert len(inside) > 1_000
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    hosts = set(re.findall(r"https?://([^/\"']+)", answer.text))
    assert hosts <= {"www.w3.org"}  # SVG's name, which nothing is asked of
    assert "style=" not in answer.text
    assert "innerHTML" not in answer.text


def test_the_page_asks_for_documents_that_there_are(house: House) -> None:
    page = house.client.get("/live").text
    asked = set(re.findall(r"\"(/v1/[^\"]*)\"", page))
    assert {path.partition("?")[0] for path in asked} == {"/v1/stream", "/v1/trending"}
    for path in asked:
        assert house.client.get(path).status_code == 200, path


def test_the_page_reads_only_fields_that_the_document_has(house: House) -> None:
    script = house.client.get("/live").text
    read = set(re.findall(r"\bstream\.(\w+)", script))
    assert read <= set(StreamAnswer.__struct_fields__)
    assert {"lag", "fresh_p99_ms", "problems", "ledger", "dead_letters"} <= read
    assert set(re.findall(r"\bone\.(\w+)", script)) <= set(FeatureAnswer.__struct_fields__)


def test_metrics_tell_of_the_stream_by_feature(house: House) -> None:
    house.listen("ada", track(1, 0))
    house.letters.count = 3
    last = LastLedger(at_ms=NOW_MS, days=3, accepted=10, counted=10, difference=0)
    house.rows.put(LEDGER, LAST, msgspec.msgpack.encode(last), version=last.at_ms)
    told = metrics(house)
    assert told["backbeat_stream_lag_records", "all"] == 0
    assert told["backbeat_stream_workers_alive", "all"] == 1
    assert told["backbeat_stream_worker_age_seconds", "all", "api"] == 0
    assert 0 < told["backbeat_stream_freshness_seconds", "all", "99"] < 60
    assert told["backbeat_stream_event_delay_seconds", "all"] < 60
    assert told["backbeat_stream_dead_letters",] == 3
    assert told["backbeat_stream_ledger_difference",] == 0
    assert told["backbeat_stream_ledger_timestamp_seconds",] == NOW_MS / 1_000
    assert told["backbeat_stream_log_up",] == 1


def test_what_is_not_known_is_no_metric(house: House) -> None:
    house.stream_fault = LogUnavailable("away")
    told = metrics(house)
    house.stream_fault = None
    assert told["backbeat_stream_log_up",] == 0
    assert ("backbeat_stream_lag_records", "all") not in told
    assert not [name for name, *_ in told if "ledger" in name]


def parsed(house: House) -> list[Metric]:
    return list(text_string_to_metric_families(house.client.get("/metrics").text))


def metrics(house: House) -> dict[tuple[str, ...], float]:
    """The samples of the stream, by name and labels."""
    samples = [sample for family in parsed(house) for sample in family.samples]
    return {
        (
            one.name,
            *(one.labels[label] for label in ("feature", "worker", "percentile") if label in one.labels),
        ): one.value
        for one in samples
        if one.name.startswith("backbeat_stream_")
    }


def test_metrics_are_named_by_prometheus_conventions(house: House) -> None:
    house.listen("ada", track(1, 0))
    for family in parsed(house):
        assert re.fullmatch(r"backbeat_[a-z_]+", family.name), family.name
        assert family.documentation, family.name
        assert not re.search(r"_(ms|millis|count|gauge|total)$", family.name), (
            family.name
        )  # _total is a counter's sample
        if family.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in family.samples), family.name


def test_the_alarms_of_the_runbook_are_about_metrics_that_there_are(house: House) -> None:
    house.listen("ada", track(1, 0))
    told = {sample.name for family in parsed(house) for sample in family.samples}
    alarms = [line for line in RUNBOOK.read_text("utf-8").splitlines() if line.startswith("| ") and "backbeat_" in line]
    wanted = {name for line in alarms for name in re.findall(r"backbeat_\w+", line)}
    assert len(alarms) == 5
    assert wanted <= told
