"""The default student's decoder in training against the operations that it stands for."""

import pytest
import torch
import torch.nn.functional as F
from kdkit_echocardio.networks.unet import ConvLSTMUNet, MergingConvolution, kernel_of_enlarged


@pytest.mark.parametrize(
    ("deep", "outputs", "size"), [(3, 2, (5, 4)), (1, 1, (1, 1)), (36, 24, (14, 14)), (2, 5, (1, 7))]
)
def test_the_transposed_convolution_is_that_of_enlarged_frames(
    deep: int, outputs: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(deep)
    frames = torch.randn(2, deep, *size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(outputs, deep, 3, 3, dtype=torch.float64, requires_grad=True)
    plain = F.conv2d(F.interpolate(frames, scale_factor=2, mode="nearest"), weight, padding=1)
    ours = F.conv_transpose2d(frames, kernel_of_enlarged(weight), stride=2, padding=1)
    torch.testing.assert_close(ours, plain)
    gradient = torch.randn_like(plain)
    for one, other in zip(*(torch.autograd.grad(y, (frames, weight), gradient) for y in (ours, plain)), strict=True):
        torch.testing.assert_close(one, other)


def test_training_and_prediction_decode_alike() -> None:
    torch.manual_seed(0)
    convolution = MergingConvolution(5, 3, 4)
    frames, skip = torch.randn(2, 5, 6, 7), torch.randn(2, 3, 12, 14)
    trained = convolution.train()(frames, skip)
    torch.testing.assert_close(trained, convolution.eval()(frames, skip), rtol=1e-4, atol=1e-5)


def test_every_module_of_the_decoder_can_be_looked_at_in_training() -> None:
    network, seen = ConvLSTMUNet(4, 1).train(), []
    for path, module in network.decoder.named_modules():
        module.register_forward_hook(lambda *_, path=path: seen.append(path))
    network(torch.zeros(2, 2, 32, 32))
    assert set(seen) == {path for path, _ in network.decoder.named_modules()} - {""}
