"""Which recordings take part in the training, and whether scores are measured on any of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kdkit.contracts.component import fingerprint_of
from kdkit.errors import DataError
from kdkit.plugins.calls import call
from kdkit.progress import Bar
from kdkit.runs.folder import STUDENT
from kdkit.runs.recordings import Recordings, holds_recordings, kind_of, name_of
from kdkit.runs.run import Arm, LabelledSplit, Run
from kdkit.sample import Sample
from kdkit.store.samples import Split

_KEY = "generate.disjoint"
_EXAMPLES = 3
# Raise it when more is looked at or kept, so that it is done again.
_FORMAT = 3


def is_checked(run: Run) -> bool:
    """Whether there is nothing to check, or these very samples have been checked."""
    return not _training_splits(run) or run.folder.is_done(_KEY, _fingerprint(run))


def check(run: Run) -> None:
    """Raises :class:`DataError`, which names them, for samples of the training that are evaluated on as well.

    The same are samples of equal inputs, whatever file they were read from, and those of one unit where both splits
    come from generators of one kind, so that units are named alike. What the student is trained on is written down
    in the run's folder, for whoever measures it on other data.
    """
    if is_checked(run):
        return
    splits, evaluation = _training_splits(run), _evaluation_split(run)
    trained = Recordings(kind_of(splits[0].samples.generator))
    total = sum(map(len, splits)) + (len(evaluation) if evaluation else 0)
    with run.progress.work("generate", "no sample in two splits", total, "samples") as bar:
        evaluated = _collect(evaluation, bar)
        of_student = {_key(part.split) for arm in run.arms if arm.model == STUDENT for part in _parts(arm)}
        shared: list[str] = []
        for split in splits:
            for sample, recording in zip(_samples(split), _recordings(split), strict=True):
                if told := _describe_shared(evaluated, sample, split):
                    shared.append(told)
                if _key(split) in of_student and recording is not None:
                    trained.add(sample)
                bar.advance()
    if shared:
        examples = "; ".join(shared[:_EXAMPLES]) + ("; ..." if len(shared) > _EXAMPLES else "")
        count = "1 sample takes" if len(shared) == 1 else f"{len(shared)} samples take"
        raise DataError(
            f"{count} part in training and are evaluated on as well: {examples}",
            "Choose other recordings for one of the two: another folder, split or pattern.",
        )
    if of_student:
        trained.write(run.folder.recordings_file)
    run.folder.mark_done(_KEY, _fingerprint(run), 0, [run.folder.recordings_file] if of_student else [])


def count_recordings(arm: Arm) -> int:
    """How many recordings the training of a network takes, one that it takes several times over once."""
    taken = {
        (_key(part.split)[0], recording)
        for part in _parts(arm)
        for recording in _recordings(part.split)
        if recording is not None
    }
    return len(taken)


def learns_from_recordings(arm: Arm) -> bool:
    """Whether any sample that a network is trained on is a recording of the real thing."""
    return any(not part.split.samples.generator.synthetic for part in _parts(arm))


def _collect(split: Split | None, bar: Bar) -> Recordings:
    if split is None:
        return Recordings()
    recordings = Recordings(kind_of(split.samples.generator))
    for sample in _samples(split):
        recordings.add(sample)
        bar.advance()
    return recordings


def _describe_shared(evaluated: Recordings, sample: Sample, split: Split) -> str:
    name = name_of(sample)
    if (other := evaluated.find_content(sample)) is not None:
        return f"{name} is {other}" if name != other else name
    if (other := evaluated.find_unit(sample, kind_of(split.samples.generator))) is not None:
        return f"{name} is of {sample.unit}, as {other} is"
    return ""


def _evaluation_split(run: Run) -> Split | None:
    """What is evaluated on, where it holds recordings."""
    split = run.evaluation.split
    return split if holds_recordings(split.samples.generator) else None


def _training_splits(run: Run) -> list[Split]:
    """The splits of recordings of any training, the student's first; each once.

    Those of controls count where recordings are evaluated on.
    """
    arms = [arm for arm in run.arms if arm.model == STUDENT or _evaluation_split(run)]
    splits = {_key(part.split): part.split for arm in arms for part in _parts(arm)}
    return list(splits.values())


def _parts(arm: Arm) -> list[LabelledSplit]:
    """What a network is trained on, where it holds recordings."""
    parts = [part for part in (arm.validation, arm.training) if part]
    return [part for part in parts if holds_recordings(part.split.samples.generator)]


def _key(split: Split) -> tuple[str, int, int]:
    return split.samples.fingerprint, split.start, split.stop


def _samples(split: Split) -> Iterator[Sample]:
    return (split.samples.sample(index) for index in split.indices)


def _recordings(split: Split) -> Sequence[str | None]:
    """Of each sample what it is known by among recordings, None where it is none."""
    indices = split.samples.source_indices((split.start, split.stop))
    return call(split.samples.generator.recordings, list(indices))


def _fingerprint(run: Run) -> str:
    splits = [_evaluation_split(run), *_training_splits(run)]
    return fingerprint_of(format=_FORMAT, splits=[split and _key(split) for split in splits])
