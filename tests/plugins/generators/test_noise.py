"""Noise of any type, in its range and after its distribution; the bytes of pictures are those of earlier versions."""

import numpy as np
import pytest
from kdkit_generators.noise import Noise
from pydantic import ValidationError


def draw(count=1, seed=0, **options):
    return np.stack([sample.inputs for sample in Noise(Noise.Options(**options), seed).generate(range(count))])


def test_pictures_are_the_bytes_that_they_were():
    assert draw(shape=(2, 4)).tolist() == [[[161, 19, 31, 190], [244, 232, 59, 176]]]


@pytest.mark.parametrize(
    ("options", "low", "high"),
    [
        ({}, 0, 255),
        ({"dtype": "int8"}, -128, 127),
        ({"dtype": "float32"}, 0, 1),
        ({"dtype": "float32", "range": (-2, 3)}, -2, 3),
        ({"dtype": "int64", "range": (0, 4)}, 0, 4),
        ({"dtype": "uint8", "range": (10, 12), "grain": 3}, 10, 12),
    ],
)
def test_uniform_noise_fills_its_range_evenly(options, low, high):
    values = draw(shape=(30000,), **options)
    assert values.dtype == options.get("dtype", "uint8")
    assert low <= values.min() and values.max() <= high
    counts = np.histogram(values, bins=min(5, high - low + 1) if values.dtype.kind in "iu" else 5)[0]
    assert counts.min() > 0.9 * counts.max()


def test_sixteen_bits_are_used_whole():
    values = draw(shape=(60000,), dtype="int16")
    assert values.dtype == np.int16
    assert values.min() < -32700
    assert values.max() > 32700


def test_normal_noise_has_a_sixth_of_its_range_as_deviation():
    values = draw(shape=(60000,), dtype="float32", range=(-6, 12), distribution="normal")
    assert values.mean() == pytest.approx(3, abs=0.05)
    assert values.std() == pytest.approx(3, abs=0.05)
    assert values.min() >= -6
    assert draw(shape=(999,), dtype="int16", range=(0, 6), distribution="normal").max() <= 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (4, 0)}, "positive numbers"),
        ({"shape": (4,), "dtype": "int64"}, "a range beside int64"),
        ({"shape": (4,), "range": (3, 3)}, "a range that rises"),
        ({"shape": (4,), "range": (0, 300)}, "uint8, which holds 0 to 255"),
        ({"shape": (4,), "range": (0, 0.5)}, "whole numbers"),
    ],
)
def test_what_makes_no_noise_is_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        Noise.Options(**options)
