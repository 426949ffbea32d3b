"""`backbeat search`: the best settings of a learner on validation data, within minutes that may be spent in pieces."""

from __future__ import annotations

import hashlib
import json as jsons
import time
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.trial import TrialState

from backbeat.code_version import code_version
from backbeat.databases import kept_in
from backbeat.datasets import Protocol as Way
from backbeat.datasets import data_version, open_data, recipe_name
from backbeat.hunt import AS_GIVEN, CUT_OFF, SECONDS, BlendSought, Hunt, OutOfTime, SettingsSought, Sought
from backbeat.interrupts import ends_at_once
from backbeat.learning import as_parameters, chosen, known_learner, recipes_of
from backbeat.output import BadUsage, CommandFailed, Flag, console, emit, notice, table
from backbeat.recording import Record, open_records
from backbeat.settings import Settings
from models.blend import BLEND
from models.evaluation.blending import NothingToFit
from models.evaluation.datasets import Dataset
from models.evaluation.splits import Split, SplitImpossible
from models.learners import SEEDS
from models.recipes import save_recipe
from models.search_space import space

REFUSED = (ValueError, ArithmeticError, MemoryError, NothingToFit)  # end the trial, not the search
LONGEST_MINUTES = 366 * 24 * 60
SHOWN = 5
TRIALS = "searches.db"
REFUSAL = "refusal"  # attribute of a trial: why it came to nothing


def search(
    model: str,
    /,
    *,
    data: Path,
    minutes: float,
    trials: int | None = None,
    split: Way | None = None,
    split_day: date | None = None,
    members: str | None = None,
    seed: int = 7,
    save: Flag = False,
    json: Flag = False,
) -> None:
    """Search the settings of a learner, or the weights of a blend, on the validation split alone.

    The recipe, or else the defaults, are the first trial; where the data refuse it, so does the search. Interrupted, or
    with more minutes, the same command goes on.

    Args:
        model: A learner, by name, whose config declares ranges; or blend.
        data: A benchmark's folder, or Parquet or CSV of plays.
        minutes: How long all trials together may take, those of earlier calls included.
        trials: How many there are at most, those of earlier calls included.
        split: Of a file, next (the default), new or all; or cold, of HetRec's folder.
        split_day: The first day of the test, which the search never sees, with --split new or all.
        members: Learners to blend, with their recipes; by default those of the blend's recipe, or all that have one.
        seed: Of the search and of every fit.
        save: Keep the best settings as a recipe in BACKBEAT_HOME/recipes.
        json: One JSON document on one line.
    """
    found = known_learner(model)
    where = space(found.config_type)
    if not where and model != BLEND:
        raise BadUsage(f"a search for {model}, whose config declares no range; `models.search_space` says how")
    if members is not None and model != BLEND:
        raise BadUsage(f"--members {members} in a search for {model}; only a {BLEND} has members")
    if not 0 < minutes <= LONGEST_MINUTES or (trials is not None and trials < 1):
        wanted = f"wanted more than 0 of each, and {LONGEST_MINUTES:,} minutes at most"
        raise BadUsage(f"--minutes {minutes:g} with --trials {trials}; {wanted}")
    if not 0 <= seed < SEEDS:
        raise BadUsage(f"--seed is {seed}; wanted a whole number from 0 to {SEEDS - 1}")
    config = Settings.from_environment()
    dataset = open_data(data, split, split_day)
    recipe = recipe_name(dataset.name)
    recipes = recipes_of(recipe, config.home.recipes)
    sought: Sought
    if model == BLEND:
        sought = _blend(dataset, recipes, seed, members.split(",") if members else None)
    else:
        base = as_parameters(chosen(found, recipes.get(model, {}), f"{model} on {dataset.name}", seed))
        sought = SettingsSought(found, where, base, _validation(dataset))
    hashed = data_version(data)
    with kept_in(config.home.root / TRIALS, "searching with the trials in"):
        study = _study(config, sought, dataset, hashed, seed)
        began, before = time.monotonic(), _ended(study)
        hunt = Hunt(sought, dataset)
        with ends_at_once(lambda: "backbeat: interrupted; the same command goes on from here"):
            run_trials(study, hunt, minutes * 60, trials)
        document = _answer(study, hunt, minutes)
        if save:
            document["saved"] = str(save_recipe(config.home.recipes, recipe, model, document["settings"]))
        emit(document) if json else _show(study, document)
        record = Record(
            "search",
            model,
            dataset.name,
            hashed,
            code_version(),
            time.monotonic() - began,
            document["settings"],
            {f"validation {dataset.metric}": document["value"]},
            _curves(study),
        )
        tried = _ended(study) > before
    if tried:
        open_records(config).add([record])


def _validation(dataset: Dataset) -> Split:
    try:
        return dataset.validation
    except SplitImpossible as error:
        raise CommandFailed(f"searching on {dataset.name}: its validation, before the test: {error}") from error


def _blend(
    dataset: Dataset, recipes: Mapping[str, Mapping[str, Any]], seed: int, members: Sequence[str] | None
) -> BlendSought:
    """The members named, or those of the recipe, or all that have one; with their recipes and the seed."""
    given = {} if members else recipes.get(BLEND, {})
    named = members or [name for name in recipes if name != BLEND]
    wanted = given.get("members") or [{"learner": name, "settings": recipes.get(name, {})} for name in named]
    if not wanted:
        raise BadUsage(f"a blend on {dataset.name}, for which no learner has a recipe; --members names some")
    seeded = []
    for one in wanted:
        learner = known_learner(one["learner"])
        settings = chosen(learner, one.get("settings", {}), f"{learner.name} in a blend on {dataset.name}", seed)
        seeded.append({**one, "settings": as_parameters(settings)})
    base = chosen(known_learner(BLEND), {**given, "members": seeded}, f"{BLEND} on {dataset.name}")
    return BlendSought(base, bool(given), _validation(dataset))


def _study(config: Settings, sought: Sought, dataset: Dataset, hashed: str, seed: int) -> optuna.Study:
    """The study of equal data, ranges and seed, as far as it has come; a trial that was cut off is tried again."""
    fixed = [hashed, dataset.validation.boundary, sought.fixed, repr(sought.where)]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    config.home.root.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(jsons.dumps(fixed).encode()).hexdigest()[:12]
    study = optuna.create_study(
        storage=f"sqlite:///{config.home.root / TRIALS}",
        study_name=f"{sought.name} on {dataset.name}, {key}",
        direction="maximize",
        load_if_exists=True,
    )
    study.sampler = optuna.samplers.TPESampler(seed=(seed + len(study.trials)) % SEEDS)  # going on repeats no draw
    given = [trial.user_attrs.get(AS_GIVEN) for trial in study.trials]
    for proposed, attributes in sought.first:
        if AS_GIVEN not in attributes or attributes[AS_GIVEN] not in given:  # such trials differ in nothing proposed
            study.enqueue_trial(proposed, user_attrs=attributes, skip_if_exists=AS_GIVEN not in attributes)
    _try_again(study)
    return study


def _try_again(study: optuna.Study) -> None:
    """Queue what was cut off: by the end of the time, by Ctrl-C, or, still running, by the end of its process."""
    queued = list(study.user_attrs.get(CUT_OFF, []))
    for trial in study.trials:
        if trial.number not in queued and (trial.state == TrialState.RUNNING or CUT_OFF in trial.user_attrs):
            queued.append(trial.number)
            kept = {name: value for name, value in trial.user_attrs.items() if name not in (SECONDS, CUT_OFF)}
            study.enqueue_trial(trial.params, user_attrs=kept)
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
    study.set_user_attr(CUT_OFF, queued)


class Scoring(Protocol):
    """What measures a trial: a `Hunt`."""

    def score(self, trial: optuna.Trial, seconds: float) -> float:
        """The trial's value. Raises `OutOfTime`, and one of `REFUSED` where its settings cannot be."""


def run_trials(study: optuna.Study, hunt: Scoring, seconds: float, trials: int | None) -> None:
    """One after the other, until as many are complete, or they and those of earlier calls have taken the seconds.

    Raises `CommandFailed` where the first of all is refused.
    """
    if done := _done(study):
        notice(f"{done} trials in {_spent(study) / 60:.1f} minutes are there already, the best {study.best_value:.4f}")
    ends = time.monotonic() + seconds - _spent(study)  # by the clock: refused trials work for no time, but take some
    while (left := ends - time.monotonic()) > 0 and (trials is None or _done(study) < trials):
        try:
            study.optimize(partial(_scored, hunt=hunt, seconds=left), n_trials=1, catch=REFUSED)
        except OutOfTime:
            notice("the minutes were over before the last trial was; it does not count")
            return
        if (reason := study.trials[-1].user_attrs.get(REFUSAL)) and not _done(study):
            name, _, _ = study.study_name.rpartition(", ")
            raise CommandFailed(f"searching {name}: {reason}")


def _scored(trial: optuna.Trial, hunt: Scoring, seconds: float) -> float:
    try:
        return hunt.score(trial, seconds)
    except REFUSED as error:
        trial.set_user_attr(REFUSAL, str(error) or type(error).__name__)
        raise


def _done(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def _ended(study: optuna.Study) -> int:
    """How many trials have come to an end, a value or none."""
    return sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))


def _spent(study: optuna.Study) -> float:
    return sum(trial.user_attrs.get(SECONDS, 0.0) for trial in study.get_trials(deepcopy=False))


def _answer(study: optuna.Study, hunt: Hunt, minutes: float) -> dict[str, Any]:
    if not _done(study):
        failed = [trial.user_attrs.get(SECONDS) for trial in study.trials]
        raise CommandFailed(f"searching: no trial of {len(failed)} came to its end in {minutes:g} minutes; wanted one")
    return {
        "data": hunt.dataset.name,
        "model": hunt.sought.name,
        "metric": hunt.dataset.metric,
        "value": study.best_value,
        "settings": hunt.sought.settings(study.best_trial),
        "trials": _done(study),
        "minutes": round(_spent(study) / 60, 2),
        "validation": hunt.dataset.validation.boundary,
    }


def _curves(study: optuna.Study) -> dict[str, list[tuple[int, float]]]:
    values, best = [], []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        values.append((trial.number, float(trial.value or 0.0)))
        best.append((trial.number, max(value for _, value in values)))
    return {"value of the trial": values, "best so far": best}


def _show(study: optuna.Study, document: Mapping[str, Any]) -> None:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best = sorted(complete, key=lambda trial: (-(trial.value or 0.0), trial.number))[:SHOWN]
    names = sorted({name for trial in best for name in trial.params})
    title = f"{document['model']} on {document['data']}: {document['trials']} trials, {document['minutes']} minutes"
    columns = [document["metric"], *names, SECONDS]
    rows = [[t.value, *(t.params.get(name) for name in names), t.user_attrs.get(SECONDS)] for t in best]
    console().print(table(title, columns, rows))
    console().print(jsons.dumps({document["model"]: document["settings"]}), markup=False)
    if "saved" in document:
        notice(f"kept in {document['saved']}")
