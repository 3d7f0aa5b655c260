"""The default network enlarges its logits in training as it does afterwards."""

import pytest
import torch
import torch.nn.functional as F
from kdkit_echocardio.networks.unet import ConvLSTMUNet

SIZES = [((28, 28), (112, 112)), ((3, 5), (12, 20)), ((1, 4), (4, 16)), ((7, 7), (7, 7))]


@pytest.mark.parametrize("low, high", SIZES)
def test_in_training_logits_and_gradients_are_those_of_bilinear_interpolation(low, high):
    logits = torch.randn(3, 1, *low, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    expected, given = (logits.clone().requires_grad_() for _ in range(2))
    reference = F.interpolate(expected, size=high, mode="bilinear", align_corners=False)
    enlarged = ConvLSTMUNet(1, 1).train()._enlarge(given, torch.Size(high))
    torch.testing.assert_close(enlarged, reference)
    weights = torch.rand_like(reference)
    (reference * weights).sum().backward()
    (enlarged * weights).sum().backward()
    torch.testing.assert_close(given.grad, expected.grad)


def test_logits_stay_float32_under_autocast():
    network, clips = ConvLSTMUNet(2, 1).train(), torch.zeros(1, 2, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(clips).dtype == torch.float32
