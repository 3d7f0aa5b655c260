"""Tracings whose ends, chords or axes stand in a wrong order."""

import numpy as np
import pytest
from kdkit_echocardio.geometry import crosses_itself, polygon_mask
from kdkit_echocardio.recordings import open_study
from kdkit_echocardio.recordings.tracings import contours_of
from layouts import EchoNet, tracing

SHAPE = (112, 112)


def turned(rows, degrees):
    """The rows turned around the middle of the frame."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return ((rows.reshape(-1, 2) - 56) @ turn.T + 56).reshape(-1, 4)


def swapped(rows, *which):
    rows = rows.copy()
    rows[list(which)] = rows[list(which)][:, [2, 3, 0, 1]]
    return rows


def area(rows):
    """The pixels inside the one contour of rows, and the kinds of what is wrong with it."""
    (contour,), faults = contours_of(3, rows)
    return int(polygon_mask(contour.points, SHAPE).sum()), [fault.kind for fault in faults]


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 200])
@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (lambda rows: swapped(rows, 5, 6, 7, 12), ["swapped-chords"]),
        (lambda rows: swapped(rows, 20), ["swapped-chords"]),
        (lambda rows: swapped(rows, *range(1, 21, 2)), ["swapped-chords"]),
        (lambda rows: swapped(rows, *range(1, 21)), []),
        (lambda rows: swapped(rows, 0), []),
        (lambda rows: np.vstack([rows[:1], rows[:0:-1]]), []),
        (lambda rows: rows[[0, *np.random.default_rng(0).permutation(20) + 1]], ["chords-out-of-order"]),
        (lambda rows: np.vstack([rows[1:9], rows[:1], rows[9:]]), ["chords-out-of-order"]),
        (lambda rows: rows[[0, 2, 1, *range(3, 21)]], ["chords-out-of-order"]),
        (
            lambda rows: swapped(rows, 4)[[0, 9, *range(1, 9), *range(10, 21)]],
            ["swapped-chords", "chords-out-of-order"],
        ),
        (
            lambda rows: swapped(rows[[*range(21), 7]], 21),
            ["swapped-chords", "chords-out-of-order", "repeated-chords"],
        ),
        (lambda rows: np.vstack([rows, rows]), ["repeated-tracing"]),
    ],
)
def test_what_is_certain_is_mended_and_named(change, kinds, degrees):
    rows = turned(tracing(), degrees)
    expected, _ = area(rows)
    assert area(change(rows)) == (expected, kinds)


def test_chords_in_a_fan_are_left_alone():
    """The mean direction says nothing about chords that turn by more than half a circle."""
    angles = np.deg2rad(np.linspace(0, 170, 20))
    ends = 30 * np.stack([np.cos(angles), np.sin(angles)], 1)
    rows = np.vstack([[56, 20, 56, 90], np.hstack([56 - ends, 56 + ends])])
    (contour,), faults = contours_of(0, rows)
    assert np.array_equal(contour.chords.reshape(-1, 4), rows[1:])
    assert [fault.kind for fault in faults] == ([] if not crosses_itself(contour.points) else ["crossing-outline"])


def test_an_outline_that_cannot_be_mended_is_named_and_kept():
    rows = tracing()
    rows[8] = [40, 10, 44, 100]  # along the axis
    rows[9] = [70, 100, 74, 10]
    (contour,), faults = contours_of(0, rows)
    assert [fault.kind for fault in faults] == ["crossing-outline"]
    assert np.array_equal(contour.chords.reshape(-1, 4), rows[1:])


def test_a_narrow_waist_and_points_that_touch_do_not_cross():
    square = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], float)
    assert not crosses_itself(square)
    assert crosses_itself(square[[0, 2, 1, 3]])
    assert not crosses_itself(square[[0, 0, 1, 2, 2, 3]])
    # A corner that lies on another edge.
    assert not crosses_itself(np.array([[0, 0], [9, 0], [9, 9], [4, 0], [0, 9]], float))


def test_a_swapped_axis_is_known_by_the_other_frame(tmp_path):
    def axes(*tracings):
        study = open_study(
            EchoNet(tmp_path / str(len(list(tmp_path.iterdir())))).add("0XA", tracings=tracings).write()
        )
        axes = [contour.axis.tolist() for contour in study.recordings[0].labels.contours]
        return axes, [defect.kind for defect in study.defects]

    right, narrow = tracing(), tracing(width=20.0)
    wrong, wrong_narrow = swapped(right, 0), swapped(narrow, 0)
    expected = right[0].reshape(2, 2).tolist()
    assert axes((0, right), (6, wrong_narrow)) == ([expected, expected], ["swapped-axis"])
    # Where every axis runs so, that is how the file is written.
    assert axes((0, wrong), (6, wrong_narrow)) == ([expected[::-1]] * 2, [])


def test_a_folder_names_them(tmp_path):
    folder = EchoNet(tmp_path).add("0XA", tracings=[(0, swapped(tracing(), 3, 4)), (6, tracing(width=20.0))])
    study = open_study(folder.write())
    (defect,) = study.defects
    assert (defect.kind, defect.name, defect.dropped) == ("swapped-chords", "0XA", False)
    assert defect.detail == "frame 0: the ends of 2 chords are swapped; mended"
    assert study.recordings[0].labels.ed == 0
