"""distill: samples and targets → a student, and the controls beside it."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from functools import partial

from kdkit.atomic import write_bytes, write_csv
from kdkit.contracts.objective import FeatureObjective
from kdkit.evaluation.training_doubts import doubts_about_training
from kdkit.plugins.calls import call
from kdkit.plugins.declarations import check_declarations
from kdkit.recipe.schema import FULL_PRECISION
from kdkit.runs import student
from kdkit.runs.folder import STUDENT
from kdkit.runs.recordings import COUNT, REAL
from kdkit.runs.run import TRAINING_PRECISIONS, Arm, Run
from kdkit.runs.student import CARD, WEIGHTS, write_student
from kdkit.stages import generate
from kdkit.stages.disjoint import count_recordings, learns_from_recordings

NAME = "distill"


def stage_key(arm: Arm) -> str:
    return f"{NAME}.{arm.name}"


def is_whole(run: Run) -> bool:
    """Whether every arm's student is there and was trained on these very inputs."""
    return all(_arm_is_whole(run, arm) for arm in run.arms)


def check(run: Run) -> None:
    """Raises :class:`kdkit.errors.UsageError` for what the training would fail of.

    That is a machine that lacks what the recipe's ``trainer`` asks for, an objective that looks at a module which
    a network does not have, or (:class:`kdkit.DataError`) a student that gives other logits for a window of the
    inputs than belong to it, or (:class:`kdkit.errors.PluginError`) one that does not say what its inputs are.
    """
    if is_whole(run):
        return
    check_declarations(run.experiment.student)
    from kdkit.engine.trainer import check_hardware

    check_hardware(run.experiment.recipe.trainer, run.folder.path)
    if any(isinstance(term.objective, FeatureObjective) for term in run.experiment.terms):
        from kdkit.engine.criterion import make_criterion

        make_criterion(run.experiment, call(run.experiment.student.build))
    if run.experiment.window_cut is not None:
        from kdkit.engine.windows import check_student_on_windows

        check_student_on_windows(run.experiment, generate.first_inputs(run, run.evaluation.split.samples))


def prepare(run: Run, anew: bool) -> None:
    """Take what need not be trained: weights that lost what lay beside them, and students of runs beside this one.

    ``anew``: the latter is not wanted. Before that the precision is chosen where the recipe leaves it open.
    """
    if not run.is_training_precision_settled():
        _settle_precision(run)
    for arm in run.arms:
        if not _arm_is_whole(run, arm) and not _restore(run, arm) and not anew:
            _adopt(run, arm)


def _settle_precision(run: Run) -> None:
    """That of a student that is there: no lost manifest costs a training; else what a measurement says."""
    name = run.experiment.recipe.student.name
    precision = _precision_of_students(run)
    if precision is not None:
        reason = "a student that is there was trained so"
        run.settle_training_precision({"chosen": precision, "reason": reason})
        run.progress.say("precision", name, f"trains in {precision}: {reason}")
        return
    from kdkit.engine.training_precision import choose_training_precision

    with run.progress.work("precision", name, 1, "step") as bar:
        choice = choose_training_precision(run.experiment, run.arms[0], run.folder.path)
        bar.advance()
    run.settle_training_precision(choice.as_json())
    why = choice.why("the cosine of its gradients to those is {} %")
    run.progress.say("precision", name, f"trains in {choice.chosen}: {why}")


def _precision_of_students(run: Run) -> str | None:
    """The one that a whole student in the run's folder was trained in."""
    for arm in run.arms:
        folder = run.folder.model(arm.name)
        card = student.recover_card(folder, run.folder.written_digest(stage_key(arm), folder / WEIGHTS))
        precision = card["provenance"].get("precision", FULL_PRECISION) if card else None
        if precision in TRAINING_PRECISIONS:
            return str(precision)
    return None


def execute(run: Run) -> None:
    """Train the students that are missing."""
    for arm in run.arms:
        if not _arm_is_whole(run, arm):
            _distill(run, arm)


def discard(run: Run) -> None:
    """Drop the checkpoints of a training that was cut off, and the cards, by which students are known."""
    for arm in run.arms:
        _drop_checkpoints(run, arm)
        (run.folder.model(arm.name) / CARD).unlink(missing_ok=True)


def _drop_checkpoints(run: Run, arm: Arm) -> None:
    shutil.rmtree(run.folder.checkpoints(arm.name), ignore_errors=True)
    with suppress(OSError):  # another arm's are there
        run.folder.checkpoints(arm.name).parent.rmdir()


def _arm_is_whole(run: Run, arm: Arm) -> bool:
    return run.folder.is_done(stage_key(arm), arm.fingerprint)


def _restore(run: Run, arm: Arm) -> bool:
    """Whether an arm's weights are whole and were trained on these very inputs; then nothing else is lost, either.

    What lies beside them is written from the card: no lost manifest, damaged card or history costs a training.
    """
    folder, key = run.folder.model(arm.name), stage_key(arm)
    card = student.recover_card(folder, run.folder.written_digest(key, folder / WEIGHTS))
    if card is None or card["provenance"].get("fingerprint") != arm.fingerprint:
        return False
    files = student.write_beside_weights(folder, card, run.experiment)
    history = run.folder.history(arm.name)
    write_csv(history, card["provenance"]["history"])
    run.folder.mark_done(key, arm.fingerprint, 0, [*files, history])
    _drop_checkpoints(run, arm)
    return True


def _adopt(run: Run, arm: Arm) -> None:
    """Copy the student that a run beside this one has trained on the very same: it had another control, say."""
    folder = run.folder.model(arm.name)
    for path in sorted(run.folder.path.parent.glob(f"*/*/{CARD}")):
        card = student.recover_card(path.parent, "")
        if card is None or card["provenance"].get("fingerprint") != arm.fingerprint:
            continue
        write_bytes(folder / WEIGHTS, (path.parent / WEIGHTS).read_bytes())
        write_bytes(folder / CARD, path.read_bytes())
        if _restore(run, arm):
            run.progress.say(NAME, arm.name, f"the same as that of {path.parent.parent.name}, and taken from there")
            return


def _distill(run: Run, arm: Arm) -> None:
    from kdkit.engine.training import distill

    recipe = run.experiment.recipe
    checkpoints = run.folder.checkpoints(arm.name)
    what = recipe.student.name if arm.model == STUDENT else f"{recipe.student.name} as {arm.model}"
    what += f", seed {arm.number}" if recipe.training.seeds > 1 else ""
    start = time.monotonic()
    with run.progress.work(NAME, what, arm.options.epochs, "epochs") as bar:
        say = partial(run.progress.say, NAME, what)
        outcome = distill(run.experiment, arm, checkpoints, run.folder.history(arm.name), bar, say)
    if outcome is None:
        return
    for doubt in doubts_about_training(outcome.history):
        run.progress.say(NAME, what, f"doubtful: {doubt}")
    seconds = time.monotonic() - start
    provenance = {
        "fingerprint": arm.fingerprint,
        "targets": arm.training.fingerprint if arm.training else None,
        "generator": arm.sample_source,
        "teacher": recipe.teacher.name,
        "samples": len(arm.training.split) if arm.training else recipe.samples.train,
        COUNT: count_recordings(arm),
        REAL: learns_from_recordings(arm),
        "epochs": outcome.epochs,
        "validation_loss": outcome.validation_loss,
        "seed": arm.seed,
        "precision": arm.precision,
        "history": outcome.history,
    }
    # Those of other weights, should the training not be the same to the last bit.
    shutil.rmtree(run.folder.predictions(arm.name), ignore_errors=True)
    files = write_student(run.folder.model(arm.name), outcome.network, run.experiment, provenance)
    run.folder.mark_done(stage_key(arm), arm.fingerprint, seconds, [*files, run.folder.history(arm.name)])
    _drop_checkpoints(run, arm)
