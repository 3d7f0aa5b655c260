"""The relative difference of areas, against sizes that are counted by hand."""

import numpy as np
import pytest
from kdkit_echocardio.metrics.area import AreaBias, AreaError

from kdkit import Sample


def squares(*sides):
    masks = np.zeros((len(sides), 20, 20), np.uint8)
    for mask, side in zip(masks, sides, strict=True):
        mask[:side, :side] = 1
    return masks


def clip(*sides, ed, es):
    truth = {"mask": squares(*sides), "mask_frames": np.arange(len(sides)), "ed": np.array(ed), "es": np.array(es)}
    return Sample(np.zeros((len(sides), 20, 20), np.uint8), truth, {"patient": "p"})


def test_errors_are_relative_to_the_true_area_and_do_not_cancel():
    sample = clip(10, 5, ed=0, es=1)
    predicted = squares(11, 4).astype(np.float32)
    # 121 / 100 is 21 % too much, 16 / 25 is 36 % too little.
    assert AreaError().measure(predicted, sample) == [pytest.approx((28.5,))]
    assert AreaBias().measure(predicted, sample) == [pytest.approx((-7.5,))]


def test_frames_without_a_ventricle_or_without_truth_are_left_out():
    sample = clip(0, 5, ed=0, es=1)
    assert AreaError().measure(squares(3, 5).astype(np.float32), sample) == [pytest.approx((0,))]
    assert AreaError().measure(np.zeros((1, 20, 20), np.float32), clip(0, ed=0, es=[])) == []
    assert AreaError().measure(np.zeros((2, 20, 20), np.float32), Sample(np.zeros((2, 20, 20), np.uint8))) == []


def test_an_empty_prediction_misses_all_of_the_area():
    assert AreaBias().measure(np.zeros((2, 20, 20), np.float32), clip(6, 4, ed=0, es=1)) == [pytest.approx((-100,))]
