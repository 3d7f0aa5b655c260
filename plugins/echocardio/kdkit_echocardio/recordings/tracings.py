"""EchoNet-Dynamic's tracings: rows of line ends become contours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..geometry import OrderedChords, chords_polygon, crosses_itself, order_chords
from .recording import Contour

ROWS = 21
"""Rows of one annotator in one frame: the long axis and twenty chords."""

_FEWEST_CHORDS = 2
# More are no annotator's, but a damaged table; looking at every pair of them would take long.
_MOST_CHORDS = 500


class Fault(NamedTuple):
    """Something wrong with tracings: ``kind`` and ``detail`` of a :class:`kdkit.Defect`."""

    kind: str
    detail: str


def contours_of(frame: int, rows: np.ndarray) -> tuple[list[Contour], list[Fault]]:
    """The contours in the rows of one frame, and what was wrong with them.

    ``rows``: float (N, 4), X1, Y1, X2, Y2 in pixels, in the order of the file. An annotator's first row is the long
    axis, the others are chords across it. Several annotators follow each other. Where the rows are not 21 of each, a
    new annotator begins with each row that lies across most of the others. Ends and chords in a wrong order are put
    right where that is certain, and named in any case.
    """
    starts = range(0, len(rows), ROWS) if len(rows) % ROWS == 0 else sorted({0, *_across(rows)})
    contours: list[Contour] = []
    faults: list[Fault] = []
    seen: set[bytes] = set()
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        block = rows[start:stop]
        if len(block) <= _FEWEST_CHORDS:
            continue
        if block.tobytes() in seen:
            faults.append(Fault("repeated-tracing", f"frame {frame}: a tracing is there twice; one counts"))
            continue
        seen.add(block.tobytes())
        contours.append(_contour(frame, block, faults))
    return contours, faults


def mend_axes(contours: Sequence[Contour]) -> tuple[list[Contour], list[Fault]]:
    """A recording's contours, the ends of axes swapped that chords run against, and what was wrong.

    All tracings of a recording list the chords from one end of the axis to the other. Where they run against every
    axis that is how the file is written.
    """
    against = [_runs_against(contour) for contour in contours]
    if not any(against) or all(against):
        return list(contours), []
    mended = [
        replace(contour, axis=contour.axis[::-1]) if wrong and contour.axis is not None else contour
        for contour, wrong in zip(contours, against, strict=True)
    ]
    detail = "the ends of its long axis are swapped; mended"
    wrong_frames = [contour.frame for contour, wrong in zip(contours, against, strict=True) if wrong]
    return mended, [Fault("swapped-axis", f"frame {frame}: {detail}") for frame in wrong_frames]


def _contour(frame: int, rows: np.ndarray, faults: list[Fault]) -> Contour:
    """The contour of one annotator's rows; what is wrong with them is appended to ``faults``."""
    across = _across(rows)
    # Where a single line lies across all others, that is the axis, wherever it stands.
    first = across[0] if len(across) == 1 else 0
    lines = rows.reshape(-1, 2, 2)
    axis, chords = lines[first], np.delete(lines, first, axis=0)
    if len(chords) > _MOST_CHORDS:
        return Contour(frame, points=chords_polygon(chords), axis=axis, chords=chords)
    ordered = order_chords(chords)
    wrong = _order_faults(ordered, first != 0)
    if wrong and ordered.certain:
        chords = ordered.chords
        faults += [Fault(kind, f"frame {frame}: {detail}; mended") for kind, detail in wrong]
    elif crosses_itself(chords_polygon(chords)):
        detail = f"frame {frame}: its outline crosses itself, and what is wrong is not certain; it is used as it is"
        faults.append(Fault("crossing-outline", detail))
    return Contour(frame, points=chords_polygon(chords), axis=axis, chords=chords)


def _order_faults(ordered: OrderedChords, axis_moved: bool) -> list[Fault]:
    faults = []
    if ordered.swapped:
        faults.append(Fault("swapped-chords", f"the ends of {ordered.swapped} chords are swapped"))
    if ordered.moved or axis_moved:
        faults.append(Fault("chords-out-of-order", "its lines are not in order along the axis"))
    if ordered.repeated:
        faults.append(Fault("repeated-chords", f"{ordered.repeated} chords are there twice"))
    return faults


def _runs_against(contour: Contour) -> bool:
    """Whether the chords are listed from the axis' second end to its first."""
    if contour.axis is None or contour.chords is None:
        return False
    middles = contour.chords.mean(1)
    return bool((contour.axis[1] - contour.axis[0]) @ (middles[-1] - middles[0]) < 0)


def _across(rows: np.ndarray) -> list[int]:
    """The rows at more than 45 degrees to the median direction."""
    steps = rows[:, 2:] - rows[:, :2]
    # Twice the angle: a line has no front and no back.
    double = np.exp(2j * np.arctan2(steps[:, 1], steps[:, 0]))
    across = np.real(double * np.conj(np.median(double.real) + 1j * np.median(double.imag))) < 0
    return [int(row) for row in np.flatnonzero(across)]
