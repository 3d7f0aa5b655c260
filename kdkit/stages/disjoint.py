"""Whether any recording that scores are measured on takes part in the training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from kdkit.contracts.component import fingerprint_of
from kdkit.errors import DataError
from kdkit.plugins.calls import call
from kdkit.runs.run import Run
from kdkit.sample import Sample
from kdkit.store.samples import SampleSet, Split

_KEY = "generate.disjoint"
_EXAMPLES = 3


def is_checked(run: Run) -> bool:
    """Whether there is nothing to check, or these very samples have been checked."""
    return not _training_splits(run) or run.folder.fingerprint(_KEY) == _fingerprint(run)


def check(run: Run) -> None:
    """Raises :class:`DataError`, which names them, for samples of the training that are evaluated on as well.

    The same are samples of equal inputs, whatever file they were read from, and those of one unit where both splits
    come from generators of one kind, so that units are named alike.
    """
    if is_checked(run):
        return
    splits = _training_splits(run)
    evaluation = run.evaluation.split
    total = len(evaluation) + sum(map(len, splits))
    with run.progress.work("generate", "no sample in two splits", total, "samples") as bar:
        names_by_content: dict[str, str] = {}
        names_by_unit: dict[str, str] = {}
        for sample in _samples(evaluation):
            name = str(sample.info.get("name", "a sample"))
            names_by_content[_content(sample)] = name
            if sample.unit is not None:
                names_by_unit[sample.unit] = name
            bar.advance()
        shared: list[str] = []
        for split in splits:
            alike = type(split.samples.generator) is type(evaluation.samples.generator)
            for sample in _samples(split):
                name = str(sample.info.get("name", "a sample"))
                if (other := names_by_content.get(_content(sample))) is not None:
                    shared.append(f"{name} is {other}" if name != other else name)
                elif alike and sample.unit in names_by_unit:
                    shared.append(f"{name} is of {sample.unit}, as {names_by_unit[str(sample.unit)]} is")
                bar.advance()
    if shared:
        examples = "; ".join(shared[:_EXAMPLES]) + ("; ..." if len(shared) > _EXAMPLES else "")
        count = "1 sample takes" if len(shared) == 1 else f"{len(shared)} samples take"
        raise DataError(
            f"{count} part in training and are evaluated on as well: {examples}",
            "Choose other recordings for one of the two: another folder, split or pattern.",
        )
    run.folder.mark_done(_KEY, _fingerprint(run), 0)


def _training_splits(run: Run) -> list[Split]:
    """The splits of any training, the controls' too, that may hold what is evaluated on; each once."""
    if not _holds_recordings(run.evaluation.split.samples):
        return []
    parts = [part.split for arm in run.arms for part in (arm.validation, arm.training) if part]
    splits = {(split.samples.fingerprint, split.start, split.stop): split for split in parts}
    return [split for split in splits.values() if _holds_recordings(split.samples)]


def _holds_recordings(samples: SampleSet) -> bool:
    return not samples.generator.synthetic or call(samples.generator.count) is not None


def _samples(split: Split) -> Iterator[Sample]:
    return (split.samples.sample(index) for index in split.indices)


def _content(sample: Sample) -> str:
    shape = f"{sample.inputs.dtype} {sample.inputs.shape} ".encode()
    return hashlib.sha256(shape + sample.inputs.tobytes()).hexdigest()


def _fingerprint(run: Run) -> str:
    splits = [run.evaluation.split, *_training_splits(run)]
    return fingerprint_of(splits=[[split.samples.fingerprint, split.start, split.stop] for split in splits])
