"""Whether a sample may be stored: it is one, its inputs are numbers, and do not hold its truth."""

from __future__ import annotations

import numpy as np

from kdkit.errors import DataError
from kdkit.sample import Sample

# Axes of so many items at most are taken for channels: the last one, or the first, which may be time as well.
MOST_CHANNELS = {-1: 8, 0: 3}


def check_sample(index: int, sample: Sample) -> None:
    """Raises :class:`DataError` for inputs that are not finite, or of which a channel is a truth array of the sample.

    So it does for what is no sample, or whose arrays are none.

    Such a student would learn to copy: what it is given in training must not hold what it is measured by. Inputs that
    are as a whole what is to be found (white shapes on black) are an easy task, and no mistake.
    """
    _check_types(index, sample)
    inputs = sample.inputs
    if inputs.dtype.kind in "fc" and not np.isfinite(inputs).all():
        raise DataError(f"the inputs of sample {index} are not all finite")
    for name, truth in sample.truth.items():
        for axis, most in MOST_CHANNELS.items():
            if _has_channel(inputs, axis, most, truth):
                raise DataError(
                    f"the inputs of sample {index} hold its truth {name!r}",
                    "Leave it out of the inputs: a student would be trained on what it is measured by.",
                )


def _check_types(index: int, sample: object) -> None:
    remedy = "Yield one kdkit.Sample of numpy arrays for each index."
    if not isinstance(sample, Sample):
        raise DataError(f"it yields a {type(sample).__name__}, not a kdkit.Sample", remedy)
    for what, array in {
        "inputs": sample.inputs,
        **{f"truth {name!r}": a for name, a in sample.truth.items()},
    }.items():
        if not isinstance(array, np.ndarray):
            raise DataError(f"{what} of sample {index} is a {type(array).__name__}, not an array", remedy)


def _has_channel(inputs: np.ndarray, axis: int, most: int, truth: np.ndarray) -> bool:
    """Whether some of the channels along an axis are the truth, and others are not."""
    if inputs.ndim != truth.ndim + 1 or truth.ndim < 2 or not 2 <= inputs.shape[axis] <= most:
        return False
    channels = np.moveaxis(inputs, axis, 0)
    if channels.shape[1:] != truth.shape:
        return False
    copies = [_is_copy(channel, truth) for channel in channels]
    return any(copies) and not all(copies)


def _is_copy(part: np.ndarray, truth: np.ndarray) -> bool:
    """Whether the two are the same but for scale and offset; what is constant tells nothing."""
    one, other = part.astype(np.float64), truth.astype(np.float64)
    spans = [array.max() - array.min() for array in (one, other)]
    if not all(np.isfinite(span) and span > 0 for span in spans):
        return False
    one, other = (one - one.min()) / spans[0], (other - other.min()) / spans[1]
    return bool(np.allclose(one, other, atol=1e-6) or np.allclose(1 - one, other, atol=1e-6))
