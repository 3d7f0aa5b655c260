"""The stages in order: which are whole, which have to run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from kdkit.atomic import digest_of, write_text
from kdkit.errors import DataError, UsageError, did_you_mean
from kdkit.recipe.show import commented_yaml
from kdkit.runs import environment
from kdkit.runs.folder import FORMAT, RECIPE_HEAD
from kdkit.runs.run import Run
from kdkit.stages import distill, evaluate, generate, label, predict, ranks, report


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline.

    ``collective``: every rank takes part; else rank 0 works and the others wait.
    ``check``: raise, before any stage begins, for what would stop this one when its turn comes.
    ``discard``: drop what a cut-off attempt has left, so that the stage begins anew.
    """

    name: str
    is_whole: Callable[[Run], bool]
    execute: Callable[[Run], None]
    collective: bool
    check: Callable[[Run], None] = lambda run: None
    discard: Callable[[Run], None] = lambda run: None


STAGES = [
    Stage(generate.NAME, generate.is_whole, generate.execute, collective=False, check=generate.check),
    Stage(label.NAME, label.is_whole, label.execute, collective=True, check=label.check),
    Stage(
        distill.NAME, distill.is_whole, distill.execute, collective=True, check=distill.check, discard=distill.discard
    ),
    Stage(predict.NAME, predict.is_whole, predict.execute, collective=True, discard=predict.discard),
    Stage(evaluate.NAME, evaluate.is_whole, evaluate.execute, collective=False),
    Stage(report.NAME, report.is_whole, report.execute, collective=False),
]
STAGE_NAMES = [stage.name for stage in STAGES]


def run_stages(run: Run, first: str | None = None, last: str | None = None) -> list[str]:
    """Bring the run up to date, and return the names of the stages that did something.

    ``last``: stop after this stage. ``first``: begin with this stage and make it and what follows anew; what comes
    before must be whole. Whole samples and targets are kept even then: they are pure functions of their inputs.
    Raises :class:`UsageError` for an unknown stage or when an earlier one is not whole, and
    :class:`kdkit.errors.StoreError` when another process works on the run.
    """
    start = _position(first) if first else 0
    stop = _position(last) if last else len(STAGES) - 1
    if start > stop:
        raise UsageError(f"--from {first} comes after --until {last}")
    _require_whole(run, start, f"the run cannot start from {first}", "Leave --from and --fresh out.")
    with ranks.take_part(run):
        for stage in STAGES[start : stop + 1]:
            stage.check(run)
        if first and ranks.rank() == 0:
            run.folder.forget(_keys(STAGES[start:], run))
            for stage in STAGES[start:]:
                stage.discard(run)
        return _bring_up_to_date(STAGES[start : stop + 1], run)


def run_stage(run: Run, name: str) -> list[str]:
    """Run this stage alone if it is not whole; its name in a list, or nothing. Raises as :func:`run_stages` does."""
    position = _position(name)
    _require_whole(run, position, f"{name} cannot run alone", "Leave --only out: what is missing is then made first.")
    with ranks.take_part(run):
        stage = STAGES[position]
        if stage.is_whole(run):
            return []
        stage.check(run)
        return _bring_up_to_date([stage], run)


def _bring_up_to_date(stages: list[Stage], run: Run) -> list[str]:
    names: list[str] = []
    for stage in stages:
        if not stage.is_whole(run):
            if not names:
                _record_run(run)
            _perform(stage, run)
            names.append(stage.name)
    if not names and not run.folder.is_recorded():
        if "identity" in run.folder.manifest():
            _record_recipe(run)
        else:
            _record_run(run)
    return names


def _require_whole(run: Run, position: int, consequence: str, remedy: str) -> None:
    for stage in STAGES[:position]:
        if not stage.is_whole(run):
            raise UsageError(f"{stage.name} is not done, so {consequence}", remedy)


def check_whole(run: Run, last: str) -> None:
    """Raises :class:`DataError` when a stage up to ``last`` is not whole, which names it."""
    for stage in STAGES[: STAGE_NAMES.index(last) + 1]:
        if not stage.is_whole(run):
            domain, recipe = run.experiment.recipe.domain, run.folder.recipe_file
            raise DataError(
                f"the run in {run.folder.path} is not whole: {stage.name} is not done, or what it made is not in "
                f"{run.root} any more",
                f"kdkit run {domain} --config {recipe} --out {run.folder.path} makes what is missing.",
            )


def _perform(stage: Stage, run: Run) -> None:
    if stage.collective or ranks.rank() == 0:
        start = time.monotonic()
        stage.execute(run)
        if ranks.rank() == 0:
            times = run.folder.manifest().get("seconds", {})
            run.folder.update_manifest(seconds=times | {stage.name: round(time.monotonic() - start, 2)})
    if ranks.rank() != 0:
        ranks.wait_until(lambda: _is_whole_after_refresh(run, stage), stage.name)


def _is_whole_after_refresh(run: Run, stage: Stage) -> bool:
    for samples in run.sample_sets():
        samples.store.refresh()
    for part in run.labelled_splits():
        part.targets.refresh()
    return stage.is_whole(run)


def _record_run(run: Run) -> None:
    """Write down what is run, with what, before it runs; a run that is whole keeps what it was made with."""
    if ranks.rank() != 0:
        return
    experiment = run.experiment
    # The manifest comes first: by it the folder is known as this run's, should anything go wrong from here on.
    run.folder.update_manifest(
        format=FORMAT,
        identity=experiment.identity(),
        domain=experiment.recipe.domain,
        seed=experiment.recipe.seed,
        versions=environment.versions(experiment),
        hardware=environment.hardware(),
        components=environment.components(experiment),
        trusted=environment.trusted(experiment),
        store=str(run.root),
    )
    _record_recipe(run)


def _record_recipe(run: Run) -> None:
    if ranks.rank() != 0:
        return
    experiment = run.experiment
    write_text(run.folder.recipe_file, f"{RECIPE_HEAD}{experiment.identity()}\n{commented_yaml(experiment)}")
    run.folder.update_manifest(recipe=digest_of(run.folder.recipe_file))


def _keys(stages: list[Stage], run: Run) -> list[str]:
    names = {stage.name for stage in stages}
    return [key for key in run.folder.manifest().get("stages", {}) if key.partition(".")[0] in names]


def _position(name: str) -> int:
    if name not in STAGE_NAMES:
        raise UsageError(f"there is no stage {name!r}; {did_you_mean(name, STAGE_NAMES)}")
    return STAGE_NAMES.index(name)
