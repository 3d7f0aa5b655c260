"""The inputs that an exported file is compared on."""

from __future__ import annotations

import numpy as np

from kdkit.errors import DataError, KdkitError
from kdkit.plugins.calls import call
from kdkit.plugins.registry import Registry
from kdkit.progress import Silence
from kdkit.runs.open_run import open_run
from kdkit.runs.student import TrainedStudent
from kdkit.scratch import scratch_folder

# Entries along each dynamic axis but the batch: enough for states to settle, few enough to be done in seconds.
LONGEST, SAMPLES = 24, 2


def read_windows(registry: Registry, student: TrainedStudent, samples: int = SAMPLES) -> np.ndarray:
    """Raw inputs, (batch, \\*sample shape), two or more: those of the student's run, or its domain's example.

    Of an axis named "time" the first 24 entries. Raises :class:`DataError` when there are none.
    """
    inputs = _run_inputs(registry, student, samples) or _example_inputs(student)
    if not inputs:
        raise DataError(
            f"there is nothing to compare an export of {student.card['component']} on",
            "Keep the student in its run's folder, beside the run's samples.",
        )
    time = next((axis for axis, name in student.component.dynamic_axes.items() if name == "time"), None)
    if time is not None:
        length = min(LONGEST, *(len(one) for one in inputs))
        inputs = [one[:length] for one in inputs]
    inputs = [one for one in inputs if one.shape == inputs[0].shape and one.dtype == inputs[0].dtype]
    # Exporters take an axis of length 1 for a constant.
    return np.stack(inputs if len(inputs) > 1 else inputs * 2)


def _run_inputs(registry: Registry, student: TrainedStudent, samples: int) -> list[np.ndarray]:
    """Inputs that the run was evaluated on; none where the run, or what its recipe names, is not here."""
    try:
        split = open_run(registry, student.folder.parent, Silence()).evaluation.split
        indices = range(split.start, min(split.start + samples, split.stop))
        return [np.asarray(split.samples.sample(index).inputs) for index in indices]
    except (KdkitError, OSError):
        return []


def _example_inputs(student: TrainedStudent) -> list[np.ndarray]:
    examples = student.component.example_inputs()
    if examples is not None:
        return list(np.asarray(examples))
    with scratch_folder("example") as folder:
        path = call(student.domain.example_file, folder)
        return [np.asarray(call(student.domain.read, path).inputs)] if path is not None else []
