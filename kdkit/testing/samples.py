"""Comparing samples, in words."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np

from kdkit.sample import Sample


def difference(one: Sample, other: Sample) -> str:
    """The first thing in which two samples differ; empty when they are equal."""
    if change := array_difference(one.inputs, other.inputs):
        return f"inputs: {change}"
    if set(one.truth) != set(other.truth):
        return f"truth holds {sorted(one.truth)} and {sorted(other.truth)}"
    for name, array in one.truth.items():
        if change := array_difference(array, other.truth[name]):
            return f"truth {name!r}: {change}"
    return "" if dict(one.info) == dict(other.info) else f"info: {dict(one.info)} and {dict(other.info)}"


def array_difference(one: np.ndarray, other: np.ndarray) -> str:
    """The first thing in which two arrays differ; empty when they are equal (NaN equals NaN)."""
    if type(one) is not type(other):
        return f"{type(one).__name__} and {type(other).__name__}"
    one, other = np.asarray(one), np.asarray(other)
    if one.dtype != other.dtype:
        return f"{one.dtype} and {other.dtype}"
    if one.shape != other.shape:
        return f"shapes {one.shape} and {other.shape}"
    unequal = int(np.sum((one != other) & ~((one != one) & (other != other))))
    return f"{unequal} of {one.size} values are not the same" if unequal else ""


def first_difference(ones: list[Sample], others: list[Sample]) -> str:
    """The first thing in which two lists of samples differ; empty when they are equal."""
    for place, (one, other) in enumerate(zip_longest(ones, others)):
        if one is None or other is None:
            return f"{len(ones)} and {len(others)} samples"
        if change := difference(one, other):
            return f"sample {place}: {change}"
    return ""
