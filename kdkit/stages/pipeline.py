"""The stages in order: which are whole, which have to run."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from kdkit import launch
from kdkit.atomic import digest_of, write_text
from kdkit.errors import DataError, StoreError, UsageError, did_you_mean
from kdkit.recipe.show import commented_yaml
from kdkit.runs import environment
from kdkit.runs.folder import FORMAT, RECIPE_HEAD
from kdkit.runs.lock import hold
from kdkit.runs.run import Run
from kdkit.stages import distill, evaluate, generate, label, leftovers, predict, ranks, report
from kdkit.stages.ranks import Group


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline.

    ``collective``: every process takes part; else the first works and the others wait.
    ``check``: raise, before any stage begins, for what would stop this one when its turn comes.
    ``prepare``: the first process does it before the others begin; ``anew``: what other runs have made is not taken.
    ``is_prepared``: whether the others see what was decided there, without which they would not do the same.
    ``discard``: drop what a cut-off attempt has left, so that the stage begins anew.
    """

    name: str
    is_whole: Callable[[Run], bool]
    execute: Callable[[Run], None]
    collective: bool
    check: Callable[[Run], None] = lambda run: None
    discard: Callable[[Run], None] = lambda run: None
    prepare: Callable[[Run, bool], None] = lambda run, anew: None
    is_prepared: Callable[[Run], bool] = lambda run: True


STAGES = [
    Stage(generate.NAME, generate.is_whole, generate.execute, collective=True, check=generate.check),
    Stage(
        label.NAME,
        label.is_whole,
        label.execute,
        collective=True,
        check=label.check,
        prepare=label.prepare,
        is_prepared=Run.is_precision_settled,
    ),
    Stage(
        distill.NAME,
        distill.is_whole,
        distill.execute,
        collective=True,
        check=distill.check,
        discard=distill.discard,
        prepare=distill.prepare,
        is_prepared=Run.is_training_precision_settled,
    ),
    Stage(predict.NAME, predict.is_whole, predict.execute, collective=True, discard=predict.discard),
    Stage(evaluate.NAME, evaluate.is_whole, evaluate.execute, collective=False, check=evaluate.check),
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
    stages = STAGES[start : stop + 1]
    if first is None and _is_finished(run, stages):
        leftovers.sweep_finished(run)
        _record_places(run)
        return []  # without a lock: what is finished may lie where nothing can be written
    _join_machines(run)
    with ranks.take_part(run.folder.path) as group:
        if not group.leads:
            return _follow(run, group)
        _tell_former(run, group)
        leftovers.sweep(run)
        for stage in stages:
            stage.check(run)
        if first:
            run.folder.forget(_keys(STAGES[start:], run))
            for stage in STAGES[start:]:
                stage.discard(run)
        return _bring_up_to_date(stages, run, group, anew=bool(first))


def run_stage(run: Run, name: str) -> list[str]:
    """Run this stage alone if it is not whole; its name in a list, or nothing. Raises as :func:`run_stages` does."""
    position = _position(name)
    _require_whole(run, position, f"{name} cannot run alone", "Leave --only out: what is missing is then made first.")
    stage = STAGES[position]
    if _is_finished(run, [stage]):
        leftovers.sweep_finished(run)
        _record_places(run)
        return []
    _join_machines(run)
    with ranks.take_part(run.folder.path) as group:
        if not group.leads:
            return _follow(run, group)
        _tell_former(run, group)
        leftovers.sweep(run)
        if stage.is_whole(run):
            return []
        stage.check(run)
        return _bring_up_to_date([stage], run, group)


def _tell_former(run: Run, group: Group) -> None:
    """A command that some code ended at once, with whatever exit code, had no time to say so itself."""
    if group.former:
        run.progress.say(
            "resume", run.experiment.recipe.domain, f"{group.former} ended before its work was done, without a word"
        )


def _is_finished(run: Run, stages: list[Stage]) -> bool:
    """Several processes agree on it first."""
    return ranks.place().size == 1 and run.folder.is_recorded() and all(stage.is_whole(run) for stage in stages)


def _bring_up_to_date(stages: list[Stage], run: Run, group: Group, anew: bool = False) -> list[str]:
    """What the first process does: it decides, and announces each stage to the others."""
    names: list[str] = []
    for stage in stages:
        if not stage.is_whole(run):
            if not names:
                _record_run(run, stage)
            start = time.monotonic()
            stage.prepare(run, anew)
            if not stage.is_whole(run):
                if stage.collective:
                    group.start(*_count_processes(run))
                group.announce(stage.name)
                stage.execute(run)
            times = run.folder.manifest().get("seconds", {})
            run.folder.update_manifest(seconds=times | {stage.name: round(time.monotonic() - start, 2)})
            names.append(stage.name)
    if not names and not run.folder.is_recorded():
        if "identity" in run.folder.manifest():
            _record_recipe(run)
        else:
            _record_run(run, None)
    return names


def _follow(run: Run, group: Group) -> list[str]:
    """What the other processes do: their part of each stage that has one, as the first process announces it."""
    names: list[str] = []
    for name in group.announced_stages():
        stage = STAGES[_position(name)]
        if names:  # what the first process has seen may show later on another machine
            previous = STAGES[_position(names[-1])]
            ranks.wait_until(lambda previous=previous: _is_whole_after_refresh(run, previous), previous.name)  # type: ignore[misc]
        ranks.wait_until(lambda stage=stage: _is_prepared_after_refresh(run, stage), f"what {name} begins with")  # type: ignore[misc]
        if stage.collective:
            stage.execute(run)
        names.append(name)
    return names


def _join_machines(run: Run) -> None:
    """On another machine than the first, where somebody has started the command: be one of its processes."""
    if launch.rank() != 0 and ranks.place().size == 1:
        launch.start_processes(*_count_processes(run))


def _count_processes(run: Run) -> tuple[int, int]:
    """How many processes a machine is to have by the recipe, and how many machines there are."""
    hardware = run.experiment.recipe.trainer
    if hardware.num_nodes == 1 and hardware.devices in (1, "1"):
        return 1, 1
    from kdkit.engine.trainer import count_processes

    return count_processes(hardware, run.folder.path)


def _is_prepared_after_refresh(run: Run, stage: Stage) -> bool:
    _refresh(run)
    return stage.is_prepared(run)


def _is_whole_after_refresh(run: Run, stage: Stage) -> bool:
    _refresh(run)
    return stage.is_whole(run)


def _refresh(run: Run) -> None:
    run.forget_targets()
    for samples in run.sample_sets():
        samples.store.refresh()
    for part in run.labelled_splits():
        part.targets.refresh()


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


def _record_run(run: Run, first: Stage | None) -> None:
    """Write down what is run, with what, before it runs, from the stage ``first`` on.

    A run that is whole keeps what it was made with, and so does one of which only the scores or the report are made
    again: where those were measured is not where it was trained.
    """
    experiment = run.experiment
    is_trained = first is not None and STAGES.index(first) > STAGE_NAMES.index(distill.NAME)
    if is_trained and run.folder.is_recorded() and run.folder.manifest()["identity"] == experiment.identity():
        return
    # The manifest comes first: by it the folder is known as this run's, should anything go wrong from here on.
    run.folder.update_manifest(
        format=FORMAT,
        identity=experiment.identity(),
        contents=experiment.contents(),
        domain=experiment.recipe.domain,
        seed=experiment.recipe.seed,
        real_data=experiment.learns_from_recordings,
        versions=environment.versions(experiment),
        hardware=environment.hardware(),
        components=environment.components(experiment),
        trusted=environment.trusted(experiment),
        store=str(run.root),
    )
    _record_recipe(run)


def _record_places(run: Run) -> None:
    """Write down where the inputs of a whole run lie now, if they were moved, unless its folder cannot be written."""
    identity = run.experiment.identity()
    if run.folder.identity() != identity:
        with suppress(StoreError), hold(run.folder.path):
            run.folder.update_manifest(identity=identity)
            _record_recipe(run)


def _record_recipe(run: Run) -> None:
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
