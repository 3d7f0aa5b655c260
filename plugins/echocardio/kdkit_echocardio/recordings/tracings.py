"""EchoNet-Dynamic's tracings: rows of line ends become contours."""

from __future__ import annotations

import numpy as np

from ..geometry import chords_polygon
from .recording import Contour

ROWS = 21
"""Rows of one annotator in one frame: the long axis and twenty chords."""

_FEWEST_CHORDS = 2


def contours_of(frame: int, rows: np.ndarray) -> list[Contour]:
    """The contours in the rows of one frame, float (N, 4): X1, Y1, X2, Y2 in pixels, in the order of the file.

    An annotator's first row is the long axis, the others are chords across it. Several annotators follow each other.
    Where the rows are not 21 of each, a new annotator begins with each row that lies across most of the others.
    """
    starts = range(0, len(rows), ROWS) if len(rows) % ROWS == 0 else _axes(rows)
    contours = []
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        lines = rows[start:stop].reshape(-1, 2, 2)
        if len(lines) > _FEWEST_CHORDS:
            contours.append(Contour(frame, points=chords_polygon(lines[1:]), axis=lines[0], chords=lines[1:]))
    return contours


def _axes(rows: np.ndarray) -> list[int]:
    """The rows that begin an annotator: the first, and those at more than 45 degrees to the median direction."""
    steps = rows[:, 2:] - rows[:, :2]
    # Twice the angle: a line has no front and no back.
    double = np.exp(2j * np.arctan2(steps[:, 1], steps[:, 0]))
    across = np.real(double * np.conj(np.median(double.real) + 1j * np.median(double.imag))) < 0
    return sorted({0, *np.flatnonzero(across).tolist()})
