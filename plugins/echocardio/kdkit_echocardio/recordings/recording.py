"""One shape for every layout: recordings, their labels, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kdkit import Defect

from ..clips import Clip


@dataclass(frozen=True)
class Contour:
    """One annotator's outline of the left ventricle in one frame.

    ``points``: float64 (N, 2), x and y in the recording's own pixels, closed from the last point to the first; points
    may lie outside the frame. ``mask``: bool (H, W) where the source draws pixels instead of points; exactly one of
    the two is given. ``axis``: float64 (2, 2), the two ends of the annotated long axis, where it is known.
    ``chords``: float64 (N, 2, 2), both ends of each annotated disc, where they are known. ``directions``: which way
    the mask's columns and rows run in the world by its header, 1 or -1 each; None where it does not say.
    """

    frame: int
    points: np.ndarray | None = None
    mask: np.ndarray | None = None
    axis: np.ndarray | None = None
    chords: np.ndarray | None = None
    directions: tuple[int, int] | None = None


@dataclass(frozen=True)
class Labels:
    """The human labels of a recording; None or empty where there are none.

    ``ejection_fraction`` in percent, volumes in millilitres, frames from 0. ``contours``: all of them, several for a
    frame where several people annotated it; where they lie in files of their own, those are read each time the
    contours are iterated over, which then raises :class:`kdkit.DataError` for a damaged one.
    """

    ejection_fraction: float | None = None
    end_diastolic_volume: float | None = None
    end_systolic_volume: float | None = None
    ed: int | None = None
    es: int | None = None
    contours: Sequence[Contour] = ()

    def has_truth(self) -> bool:
        """Whether anything is labelled that a sample has as its truth. No file is read for it."""
        return any(value is not None for value in (self.ejection_fraction, self.ed, self.es)) or bool(self.contours)


@dataclass(frozen=True)
class Recording:
    """A clip on disk, decoded only when :attr:`load` is called.

    ``load`` raises :class:`kdkit.DataError`, which names the file. ``patient``: recordings that share one must stay
    in one split; the recording's own name where the source names no patient. ``split``: "train", "val", "test", a
    fold, or None.
    ``view``: "A4C", "A2C", "PSAX", another one, or None where nothing says it.
    ``info``: JSON-able facts of the source (image quality, sex, age ...).
    ``declared_frames``: how many frames its index says there are; ``declared_size``: the (height, width) in pixels
    that its labels were drawn in, where the layout fixes one.
    """

    name: str
    path: Path
    load: Callable[[], Clip]
    patient: str
    split: str | None = None
    view: str | None = None
    labels: Labels = field(default_factory=Labels)
    info: Mapping[str, Any] = field(default_factory=dict)
    declared_frames: int | None = None
    declared_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Study:
    """A folder of recordings: those that a run would use, in a fixed order, and every defect that was found.

    ``defects``: a recording that is left out is named by one with ``dropped``, so that both together are all of them.
    """

    layout: str
    path: Path
    recordings: Sequence[Recording]
    defects: Sequence[Defect]
