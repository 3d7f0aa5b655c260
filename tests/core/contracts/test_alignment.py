"""Windows are cut from inputs and targets alike, or refused."""

import numpy as np
import pytest

from kdkit import AlignedAxis, DataError
from kdkit.contracts.alignment import WindowCut


def first(last):
    return 0


def last(last):
    return last


@pytest.mark.parametrize(
    ("axes", "window", "inputs", "targets", "expected"),
    [
        # Frames and their masks; sound with a target every 512 values, of which the last few belong to none.
        ((AlignedAxis(),), 3, (10, 8, 8), (10, 8, 8), ((7, 10), (7, 10))),
        ((AlignedAxis(inputs=512),), 1024, (64000,), (125,), ((62976, 64000), (123, 125))),
        ((AlignedAxis(inputs=512),), 1024, (64100,), (126,), ((62976, 64000), (123, 125))),
        # Twice as many targets as inputs; a sample shorter than the window.
        ((AlignedAxis(targets=2),), 4, (6, 3), (12,), ((2, 6), (4, 12))),
        ((AlignedAxis(),), 30, (10,), (10,), ((0, 10), (0, 10))),
    ],
)
def test_a_window_holds_the_targets_of_its_inputs(axes, window, inputs, targets, expected):
    one, other = WindowCut.of(axes, window).cut(inputs, targets, last)
    assert (one[0], other[0]) == (slice(*expected[0]), slice(*expected[1]))


def test_each_axis_of_a_volume_is_cut():
    axes = (AlignedAxis(input_axis=1), AlignedAxis(input_axis=-1, target_axis=-1))
    inputs = np.arange(2 * 6 * 4 * 5).reshape(2, 6, 4, 5)
    one, other = WindowCut.of(axes, [3, 2]).cut(inputs.shape, (6, 4, 5), last)
    np.testing.assert_array_equal(inputs[one], inputs[:, 3:, :, 3:])
    np.testing.assert_array_equal(inputs[0][other], inputs[0, 3:, :, 3:])


@pytest.mark.parametrize(
    ("inputs", "targets"), [((64000,), (124,)), ((64000,), (127,)), ((64000,), ()), ((), (125,)), ((511,), (2,))]
)
def test_shapes_that_do_not_go_together_are_refused(inputs, targets):
    with pytest.raises(DataError, match="512 along axis 0 of the inputs for 1 along axis 0 of the targets"):
        WindowCut.of((AlignedAxis(inputs=512),), 512).cut(inputs, targets, first)


@pytest.mark.parametrize(
    ("axes", "window", "message"),
    [
        ((), 4, "the domain aligns none"),
        ((AlignedAxis(),), [4, 4], "cuts 2 axes, and the domain aligns 1"),
        ((AlignedAxis(inputs=512),), 1000, "1000 is no multiple of 512.*nearest is 1024"),
        ((AlignedAxis(inputs=512),), 5, "the nearest is 512"),
    ],
)
def test_a_window_that_no_domain_can_cut_is_refused(axes, window, message):
    with pytest.raises(DataError, match=message):
        WindowCut.of(axes, window)
