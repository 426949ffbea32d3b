"""`backbeat train`: equal data, settings and seed give an equal hash; what cannot be trained says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backbeat.cli import main
from backbeat.datasets import data_version
from backbeat.train import checkpoint_of, made_of, material_of
from models.als import AlsModel
from models.learners import learner
from models.recipes import recipes
from models.trained import Origin
from tests.backbeat.benchmark import ITEMS, as_they_come, benchmark
from tests.fakes.cut_short import CutShort, Interrupted

SMALL = ["--set", "factors=4", "iterations=2"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BACKBEAT_RECORDS", "none")
    as_they_come(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return benchmark(tmp_path / "gowalla")


def trained(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    main(["train", *arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str]:
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments])
    captured = capsys.readouterr()
    assert not captured.out
    return ended.value.code, captured.err.replace("\n", " ")


def test_the_same_seed_gives_the_same_hash_and_another_seed_another(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again, other = (
        trained(capsys, "als", "--data", str(data), "--seed", seed, *SMALL) for seed in ("7", "7", "8")
    )
    assert first == {**again, "seconds": first["seconds"]}
    assert first["sha256"] != other["sha256"]
    assert first["settings"]["factors"] == 4


def test_the_hash_alone_is_printed_and_the_model_is_where_it_says(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["train", "als", "--data", str(data), *SMALL])
    hashed = capsys.readouterr().out.strip()
    folder = home / "trained" / f"als-gowalla-{hashed[:12]}"
    assert AlsModel.load(folder).tracks == ITEMS
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_an_interrupted_training_goes_on_to_the_same_hash(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(data, home, "als", {"factors": 4, "iterations": 3})
    assert_goes_on(["train", "als", "--data", str(data), "--set", "factors=4", "iterations=3"], "als", capsys)


def test_an_interrupted_blend_goes_on_to_the_same_hash(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = [{"learner": "item-knn"}, {"learner": "als", "settings": {"factors": 4, "iterations": 3}}]
    cut_short(data, home, "blend", {"members": members})
    assert_goes_on(["train", "blend", "--data", str(data), "--set", f"members={json.dumps(members)}"], "blend", capsys)
    assert [path.name[:14] for path in (home / "trained").iterdir()] == ["blend-gowalla-"]


def test_what_is_unfinished_of_other_settings_is_begun_anew_and_says_so(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(data, home, "als", {"factors": 5, "iterations": 3})
    main(["train", "als", "--data", str(data), *SMALL])
    anew = capsys.readouterr()
    assert "it is of other settings.factors, settings.iterations; begun anew" in anew.err.replace("\n", " ")
    main(["train", "als", "--data", str(data), *SMALL])
    assert capsys.readouterr().out == anew.out


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow uses what its dependencies are about to drop
def test_the_curve_of_a_training_is_on_the_page_of_records(
    data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BACKBEAT_RECORDS")
    main(["train", "als", "--data", str(data), "--set", "factors=4", "iterations=3"])
    main(["records", "page"])
    page = (home / "reports" / "records.html").read_text()
    assert 'aria-label="loss"' in page
    assert "steps 1 to 3" in page


def test_a_recipe_of_ones_own_sets_what_is_not_set_by_hand(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "recipes" / "gowalla.json").write_text('{"als": {"factors": 3, "iterations": 2}}')
    settings = trained(capsys, "als", "--data", str(data), "--set", "iterations=1")["settings"]
    assert (settings["factors"], settings["iterations"]) == (3, 1)


def test_of_a_file_of_plays_every_play_trains_or_one_side_of_a_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plays = tmp_path / "mine.csv"
    rows = [f"ada,track {day},{day * 86_400_000}" for day in range(4)]
    plays.write_text("\n".join(["listener,track,started_ms", *rows, f"ada,track 9,{3 * 86_400_000 + 9}"]))
    whole = trained(capsys, "popularity", "--data", str(plays))
    side = trained(capsys, "popularity", "--data", str(plays), "--split", "next")
    assert (whole["part"], whole["data"], side["data"]) == ("every play", "mine", "mine-next")
    manifests = [json.loads((Path(each["folder"]) / "trained.json").read_text()) for each in (whole, side)]
    assert [manifest["tracks"] for manifest in manifests] == [5, 3]
    assert json.loads((Path(whole["folder"]) / "tracks.json").read_text())[-1] == "track 9"


def test_of_a_file_the_days_before_a_day_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plays = tmp_path / "mine.csv"
    rows = [f"ada,track {day},{day * 86_400_000}" for day in range(4)]
    plays.write_text("\n".join(["listener,track,started_ms", *rows]))
    found = trained(capsys, "popularity", "--data", str(plays), "--split", "all", "--split-day", "1970-01-03")
    assert found["part"] == "split at 1970-01-03T00:00:00.000"


def test_starts_in_seconds_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plays = tmp_path / "mine.csv"
    plays.write_text("listener,track,started_ms\nada,a,1700000000\nada,b,1700000060")
    code, said = failed(capsys, "popularity", "--data", str(plays))
    assert (code, "look like seconds; wanted UTC milliseconds" in said.replace("\n", " ")) == (1, True)


def test_a_folder_that_holds_something_else_is_not_replaced(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    code, said = failed(capsys, "popularity", "--data", str(data), "--out", str(tmp_path / "mine"))
    assert (code, "holds no trained model" in said) == (2, True)
    assert trained(capsys, "popularity", "--data", str(data), "--out", str(tmp_path / "new"))
    assert trained(capsys, "popularity", "--data", str(data), "--out", str(tmp_path / "new"))


def test_where_no_folder_can_be_made_nothing_is_fitted(
    data: Path, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    wrong = ["als", "--data", str(data), "--set", "factors=4000"]  # a fit would take minutes
    for out in (tmp_path / "file" / "mine", tmp_path / "file" / "a" / "b"):
        code, said = failed(capsys, *wrong, "--out", str(out))
        assert (code, f"--out {out}: {tmp_path / 'file'} is no folder; wanted" in said) == (2, True)
    code, said = failed(capsys, *wrong, "--out", str(tmp_path / "file"))
    assert (code, "holds no trained model" in said) == (2, True)
    assert not (home / "trained").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "wanted"),
    [
        (["alz"], 2, "no learner alz; there are"),
        (["als", "--set", "factors=0"], 2, "wanted 1 to 4,096"),
        (["als", "--set", "factors=many"], 2, "int"),
        (["als", "--set", "wings=2"], 2, "als with wings; it has alpha, "),
        (["als", "--set", "factors"], 2, "wanted key=value"),
        (["als", "--split", "next"], 2, "a benchmark has its own split"),
        (["als", "--split-day", "2014-12-21"], 2, "a benchmark has its own split"),
        (["als", "--set", "factors=1000000"], 2, "wanted 1 to 4,096"),
        (["item-knn", "--set", "neighbours=1000000000000"], 1, "Unable to allocate"),
        (["blend", "--set", 'members=[{"learner": "alz"}]'], 1, "no learner alz; there are"),
    ],
)
def test_what_a_learner_does_not_have_is_bad_usage(
    arguments: list[str], code: int, wanted: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, said = failed(capsys, *arguments, "--data", str(data))
    assert (found, wanted in said) == (code, True)


def test_an_unknown_data_set_says_what_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = failed(capsys, "als", "--data", str(tmp_path / "nowhere"))
    assert (code, "wanted a folder with train.txt" in said) == (1, True)


def assert_goes_on(command: list[str], model: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command goes on after two steps, and says what it says where there is nothing to go on from."""
    main(command)
    resumed = capsys.readouterr()
    assert f"going on with {model} on gowalla after step 2" in resumed.err
    main(command)
    at_once = capsys.readouterr()
    assert "going on" not in at_once.err
    assert resumed.out == at_once.out


def cut_short(data: Path, home: Path, model: str, given: dict[str, Any]) -> None:
    """Train as the command does, and end after the second step that is kept."""
    material, found = material_of(data), learner(model)
    settings = found.settings({**recipes(material.name, home / "recipes").get(model, {}), **given})
    origin = Origin(model, settings, material.name, data_version(data), material.part)
    progress = CutShort(checkpoint_of(origin, home / "trained"), made_of(origin), 2)
    with pytest.raises(Interrupted):
        found.fitted(material.interactions, origin.settings, progress)
