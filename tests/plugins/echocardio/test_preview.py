"""What the page of results says of a clip's area curve."""

import numpy as np
import pytest
from kdkit_echocardio.preview import preview

from kdkit import Sample


def previewed(sides, **info):
    """The preview of a clip whose ventricle is a square with these sides in pixels, one for each frame."""
    prediction = np.zeros((len(sides), 32, 32), np.float32)
    for frame, side in zip(prediction, sides, strict=True):
        frame[4 : 4 + side, 4 : 4 + side] = 1
    sample = Sample(np.zeros((len(sides), 32, 32), np.uint8), info=info)
    return preview(sample, prediction, {"ed_frame": None, "es_frame": None})


@pytest.mark.parametrize(
    ("info", "caption"),
    [
        ({}, "area 100 to 400 pixels, 3 frames"),
        ({"fps": None, "spacing_mm": None}, "area 100 to 400 pixels, 3 frames"),
        ({"fps": 30.0}, "area 100 to 400 pixels, 0.1 s"),
        # 100 and 400 squares with sides of 2 mm
        ({"fps": 2.0, "spacing_mm": 2.0}, "area 4.0 to 16.0 cm², 1.5 s"),
    ],
)
def test_the_caption_gives_range_unit_and_time(info, caption):
    assert previewed([20, 10, 15], **info).caption == caption


def test_a_clip_without_a_ventricle_has_a_caption_too():
    assert previewed([0, 0], fps=50.0).caption == "area 0 to 0 pixels, 0.0 s"


def test_large_areas_are_grouped():
    prediction = np.ones((2, 112, 112), np.float32)
    sample = Sample(np.zeros((2, 112, 112), np.uint8))
    row = {"ed_frame": None, "es_frame": None}
    assert preview(sample, prediction, row).caption == "area 12,544 to 12,544 pixels, 2 frames"
