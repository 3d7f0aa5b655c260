"""Whether a sample may be stored: its inputs are numbers, and do not hold its truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kdkit.errors import DataError
from kdkit.sample import Sample


def check_sample(index: int, sample: Sample) -> None:
    """Raises :class:`DataError` for inputs that are not finite, or of which a part is a truth array of the sample.

    Such a student would learn to copy: what it is given in training must not hold what it is measured by.
    """
    inputs = sample.inputs
    if inputs.dtype.kind in "fc" and not np.isfinite(inputs).all():
        raise DataError(f"the inputs of sample {index} are not all finite")
    for name, truth in sample.truth.items():
        if truth.size > 1 and any(_is_copy(part, truth) for part in _parts(inputs, truth)):
            raise DataError(
                f"the inputs of sample {index} hold its truth {name!r}",
                "Leave it out of the inputs: a student would be trained on what it is measured by.",
            )


def _parts(inputs: np.ndarray, truth: np.ndarray) -> Iterator[np.ndarray]:
    """The inputs, and each channel along their last axis or any other, where it has the shape of the truth."""
    if inputs.shape == truth.shape:
        yield inputs
    for axis in range(inputs.ndim):
        if inputs.shape[:axis] + inputs.shape[axis + 1 :] == truth.shape:
            yield from np.moveaxis(inputs, axis, 0)


def _is_copy(part: np.ndarray, truth: np.ndarray) -> bool:
    """Whether the two are the same but for scale and offset; what is constant tells nothing."""
    one, other = part.astype(np.float64), truth.astype(np.float64)
    spans = [array.max() - array.min() for array in (one, other)]
    if not all(np.isfinite(span) and span > 0 for span in spans):
        return False
    one, other = (one - one.min()) / spans[0], (other - other.min()) / spans[1]
    return bool(np.allclose(one, other, atol=1e-6) or np.allclose(1 - one, other, atol=1e-6))
