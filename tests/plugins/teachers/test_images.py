"""What lies between raw samples and a model, against the same done by hand."""

import numpy as np
import pytest
import torch
from kdkit_teachers.images import ImageOptions
from kdkit_teachers.networks import Adapted
from kdkit_teachers.outputs import choose_output
from pydantic import ValidationError

from kdkit import DataError

RNG = np.random.default_rng(0)
COLOR = torch.from_numpy(RNG.integers(0, 256, (3, 5, 6, 3), dtype=np.uint8))
GRAY = torch.from_numpy(RNG.integers(0, 256, (3, 5, 6), dtype=np.uint8))
CLIPS = torch.from_numpy(RNG.integers(0, 256, (2, 40, 5, 6), dtype=np.uint8))


class Same(torch.nn.Module):
    """Gives back what it takes, and notes how many that were."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, images):
        self.batches.append(len(images))
        return images


class Dtypes(torch.nn.Module):
    """Gives back what it takes, and notes its dtype."""

    def __init__(self):
        super().__init__()
        self.dtypes = []

    def forward(self, images):
        self.dtypes.append(images.dtype)
        return images.float()


class Means(torch.nn.Module):
    """Per image, the mean of each channel."""

    def forward(self, images):
        return images.mean((2, 3))


def adapted(network=None, batch=None, **options):
    return Adapted(network or Same(), ImageOptions(**options), batch)


def test_color_images_are_scaled_and_put_channels_first_and_back():
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    expected = (COLOR.float() / 255 - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(adapted(mean=mean, std=std)(COLOR), expected)


def test_the_constants_of_echonet_are_of_the_raw_range():
    expected = (GRAY.float() - 32.5) / 50.0
    answer = adapted(layout="gray", divisor=1, mean=(32.5,), std=(50.0,), channel=0)(GRAY)
    torch.testing.assert_close(answer, expected)


def test_gray_images_may_be_given_three_times():
    means = adapted(Means(), layout="gray-to-color")(GRAY)
    torch.testing.assert_close(means, (GRAY.float() / 255).mean((1, 2))[:, None].expand(3, 3))


def test_a_model_may_take_and_give_channels_last():
    class Last(torch.nn.Module):
        def forward(self, images):
            assert images.shape[-1] == 3
            return images * torch.tensor([1.0, 2.0, 3.0])

    expected = COLOR.float() / 255 * torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(adapted(Last(), channels_last=True)(COLOR), expected)
    means = adapted(Dtypes(), layout="gray", channels_last=True, channel=0)(GRAY)
    torch.testing.assert_close(means, GRAY.float() / 255)
    with pytest.raises(ValidationError, match="nothing is scaled or rearranged"):
        ImageOptions(layout="raw", channels_last=True)


def test_frames_go_through_one_by_one_and_come_back_as_clips():
    network = adapted(layout="gray", frames=True, channel=0)
    torch.testing.assert_close(network(CLIPS), CLIPS.float() / 255)
    assert network.network.batches == [32, 32, 16]


def test_a_fixed_batch_is_filled_up():
    network = adapted(layout="gray", channel=0, batch=2)
    torch.testing.assert_close(network(GRAY), GRAY.float() / 255)
    assert network.network.batches == [2, 2]


def test_one_of_several_channels_is_answered_as_log_odds():
    answer = adapted(channel=1)(COLOR)
    share = torch.softmax(COLOR.float() / 255, -1)[..., 1]
    torch.testing.assert_close(answer, torch.logit(share), rtol=1e-4, atol=1e-5)


def test_raw_samples_reach_the_model_untouched():
    network = Dtypes()
    torch.testing.assert_close(adapted(network, layout="raw")(COLOR), COLOR.float())
    assert network.dtypes == [torch.uint8]


@pytest.mark.parametrize(
    ("outputs", "wanted"),
    [
        ({"aux": 1, "out": 2}, None),
        ({"b": 2, "c": 3}, "b"),
        ({"a": 1, "logits": 2}, None),
        ({"a": 1, "b": 2}, 1),
        ((2, 3), None),
        ((1, 2), 1),
        ([2], None),
    ],
)
def test_the_output_is_chosen(outputs, wanted):
    tensors = {k: torch.tensor([float(v)]) for k, v in outputs.items()} if isinstance(outputs, dict) else None
    tensors = tensors or type(outputs)(torch.tensor([float(v)]) for v in outputs)
    assert choose_output(tensors, wanted, samples=1).item() == 2


@pytest.mark.parametrize(
    ("options", "inputs", "told"),
    [
        ({}, GRAY, "layout color takes images"),
        ({"layout": "gray"}, COLOR, "layout gray takes images"),
        ({"layout": "gray", "frames": True}, torch.zeros(2, 5), "are no clips"),
        ({"channel": 3}, COLOR, "no output channel 3 of 3"),
    ],
)
def test_what_does_not_fit_is_told(options, inputs, told):
    with pytest.raises(DataError, match=told):
        adapted(**options)(inputs)


@pytest.mark.parametrize(
    ("outputs", "told"), [({"a": 1.0}, "'a' gives float, not a tensor"), ((torch.ones(1),), "no output 'b'")]
)
def test_an_output_that_is_not_there_is_told(outputs, told):
    with pytest.raises(DataError, match=told):
        choose_output(outputs, "b" if isinstance(outputs, tuple) else None, samples=1)


@pytest.mark.parametrize(
    "options",
    [{"std": (0.0,)}, {"mean": (1.0, 2.0)}, {"layout": "raw", "divisor": 1}, {"layout": "gray", "mean": (0.1,) * 3}],
)
def test_options_that_contradict_each_other_are_refused(options):
    with pytest.raises(ValidationError):
        ImageOptions(**options)
