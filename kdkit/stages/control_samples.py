"""Whether a control's samples are of the kind that the student's are: else it is no fair floor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kdkit.runs.run import Run
from kdkit.store.samples import SampleSet

# So many samples of each are looked at.
_SAMPLES = 16
# Ranges differ where one is so many times as wide as the other, and distributions where one spreads so much more.
_WIDER = 2.0
_SPREADS_MORE = 4.0


def remark_differences(run: Run) -> None:
    """Say of each control with samples of its own in what they differ from the student's."""
    students = [arm for arm in run.arms if arm.model == "student" and arm.training is not None]
    if not students or students[0].training is None:
        return
    own = students[0].training.split.samples
    inputs: list[np.ndarray] | None = None
    for arm in run.arms:
        if arm.training is None or arm.training.split.samples.fingerprint == own.fingerprint:
            continue
        inputs = inputs or _first_inputs(own)
        found = list(differences(inputs, _first_inputs(arm.training.split.samples)))
        if found:
            source = run.experiment.recipe.generator.name
            run.progress.say("generate", arm.model, f"no fair control: {', '.join(found)} as {source} gives")


def differences(inputs: Sequence[np.ndarray], control: Sequence[np.ndarray]) -> Iterator[str]:
    """A phrase for each of shape, type, range and distribution in which a control's inputs differ from the student's.

    Both: the inputs of some samples. A range is judged only of one type, a distribution only in one range.
    """
    shapes = {array.shape for array in inputs}
    if not {array.shape for array in control} <= shapes:
        yield f"shape {_listed(control[0].shape)}, not {_listed(inputs[0].shape)}"
    if control[0].dtype != inputs[0].dtype:
        yield f"type {control[0].dtype}, not {inputs[0].dtype}"
        return
    if control[0].dtype.kind not in "iuf":
        return
    ours, theirs = (_values(side) for side in (inputs, control))
    if not _same_range(ours, theirs):
        yield f"range {theirs.min():g} to {theirs.max():g}, not {ours.min():g} to {ours.max():g}"
    elif _ratio(ours.std(), theirs.std()) > _SPREADS_MORE:
        yield f"standard deviation {theirs.std():.3g}, not {ours.std():.3g}"


def _same_range(ours: np.ndarray, theirs: np.ndarray) -> bool:
    overlap = min(ours.max(), theirs.max()) - max(ours.min(), theirs.min())
    widths = np.ptp(ours), np.ptp(theirs)
    return bool(_ratio(*widths) <= _WIDER and overlap >= min(widths) / _WIDER)


def _ratio(one: float, other: float) -> float:
    low, high = sorted((float(one), float(other)))
    return 1.0 if low == high else float("inf") if low == 0 else high / low


def _first_inputs(samples: SampleSet) -> list[np.ndarray]:
    return [samples.sample(index).inputs for index in range(min(_SAMPLES, samples.count))]


def _values(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([array.ravel() for array in arrays]).astype(np.float64)


def _listed(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"
