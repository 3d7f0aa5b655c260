"""Masks that agree over the beat, and frames that are left out for being doubtful."""

import numpy as np
import pytest
import torch
from kdkit_echocardio.smoothed import Smoothed, certainty, median_over_time
from kdkit_echocardio.teacher import DeepLabV3
from pydantic import ValidationError

SIZE = 16


class AsPainted(torch.nn.Module):
    """Logits that are the clip's own grey values, 128 for a half."""

    def forward(self, clips):
        return (clips.float() - 128) / 10


def painted(*masks):
    """A clip (1, T, SIZE, SIZE): surely inside where a mask is."""
    return torch.stack([torch.where(mask, 255, 0) for mask in masks])[None].to(torch.uint8)


def square(start, stop):
    mask = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    mask[start:stop, start:stop] = True
    return mask


def weights_of(output):
    """The weight of each frame, which is the same for all of it."""
    frames = output["weight"].flatten(2)
    assert torch.equal(frames.amin(2), frames.amax(2))
    return frames[0, :, 0].tolist()


def test_a_frame_that_sees_something_else_agrees_with_those_around_it_and_is_left_out():
    heart, elsewhere = square(3, 10), square(11, 16)
    output = Smoothed(AsPainted(), 3, 0.8)(painted(heart, heart, elsewhere, heart, heart))
    assert all(torch.equal(frame > 0, heart) for frame in output["logits"][0])
    assert weights_of(output) == [1, 1, 0, 1, 1]


def test_a_blurred_outline_and_an_empty_frame_are_left_out():
    values = painted(square(3, 10), square(3, 10), torch.zeros(SIZE, SIZE, dtype=torch.bool)).float()
    values[0, 1] = 128 + (values[0, 1] - 128) / 20  # probabilities of 0.35 to 0.65
    output = Smoothed(AsPainted(), 1, 0.8)(values)
    assert weights_of(output) == [1, 0, 0]
    assert weights_of(Smoothed(AsPainted(), 1, 0.0)(values)) == [1, 1, 1]


def test_two_stills_stay_as_they_are():
    stills = torch.rand(2, 2, SIZE, SIZE)
    assert torch.equal(median_over_time(stills, 5), stills)


def test_the_median_is_that_of_the_frames_around():
    values = torch.rand(1, 7, 3, 3)
    around = np.pad(values[0].numpy(), ((2, 2), (0, 0), (0, 0)), mode="edge")
    expected = np.stack([np.median(around[frame : frame + 5], axis=0) for frame in range(7)])
    assert np.allclose(median_over_time(values, 5)[0], expected)


def test_certainty_is_the_dice_that_the_probabilities_expect():
    probability = torch.rand(1, 3, SIZE, SIZE)
    mask = probability > 0.5
    drawn = torch.rand(4000, 1, 3, SIZE, SIZE) < probability
    overlap, sizes = (drawn & mask).sum((-2, -1)), drawn.sum((-2, -1)) + mask.sum((-2, -1))
    assert torch.allclose(certainty(probability, mask), (2 * overlap / sizes).mean(0), atol=0.01)


def test_the_teacher_gives_weights_only_where_it_is_asked_to():
    clips = torch.randint(0, 256, (1, 3, 112, 112), dtype=torch.uint8)
    with torch.no_grad():
        plain = DeepLabV3().build().eval()(clips)
        chosen = DeepLabV3(DeepLabV3.Options(median=3, certainty=0.9)).build().eval()(clips)
    assert isinstance(plain, torch.Tensor)
    assert torch.equal(chosen["logits"], median_over_time(plain, 3))
    assert chosen["weight"].shape == plain.shape and set(chosen["weight"].unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize(("name", "value"), [("median", 4), ("median", 0), ("certainty", 1.5)])
def test_what_makes_no_sense_is_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        DeepLabV3.Options(**{name: value})
