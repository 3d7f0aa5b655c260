"""The ways to show values that a DICOM file stores: VOI LUTs, then windows (PS3.3 C.11.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from .dataset import number, numbers
from .tables import look_up, voi_table

Scale = Callable[[np.ndarray], np.ndarray]
"""From values, int64 (H, W), to grey, uint8 (H, W)."""


def stored_windows(dataset: Any) -> Iterator[Scale]:
    """The scales that a data set stores, in their order, those that are damaged left out."""
    slope, intercept = number(dataset.get("RescaleSlope")) or 1.0, number(dataset.get("RescaleIntercept")) or 0.0
    for item in dataset.get("VOILUTSequence") or []:
        try:
            table, first = voi_table(item)
        except Exception:  # noqa: S112  what is damaged is no way to show anything
            continue
        yield partial(_looked_up, table=table, first=first, slope=slope, intercept=intercept)
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    for centre, width in zip(numbers(dataset.get("WindowCenter")), numbers(dataset.get("WindowWidth")), strict=False):
        if width > 0:
            yield partial(_windowed, centre=centre, width=width, function=function, slope=slope, intercept=intercept)


def _looked_up(values: np.ndarray, table: np.ndarray, first: int, slope: float, intercept: float) -> np.ndarray:
    return look_up(table, first, np.rint(values * slope + intercept))


def _windowed(
    values: np.ndarray, centre: float, width: float, function: str, slope: float, intercept: float
) -> np.ndarray:
    values = values * slope + intercept
    if function == "SIGMOID":
        shown = 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -50, 50)))
    elif function == "LINEAR_EXACT" or width <= 1:
        shown = (values - centre) / width + 0.5
    else:
        shown = (values - (centre - 0.5)) / (width - 1) + 0.5
    return np.rint(255 * shown.clip(0, 1)).astype(np.uint8)
