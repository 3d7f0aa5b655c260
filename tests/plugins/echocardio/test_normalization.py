"""Batch normalisation by rows against torch's own."""

import pytest
import torch
from kdkit_echocardio.networks.normalization import BatchNorm


def frames(shape, memory_format=torch.channels_last, dtype=torch.float32):
    torch.manual_seed(shape[1])
    # A mean far from zero, and channels of different scales.
    scale = torch.logspace(-2, 2, shape[1]).view(1, -1, 1, 1)
    return ((torch.randn(shape) + 3) * scale).to(dtype).contiguous(memory_format=memory_format).requires_grad_()


def both(channels):
    layers = BatchNorm(channels), torch.nn.BatchNorm2d(channels)
    for layer in layers:
        torch.manual_seed(1)
        torch.nn.init.uniform_(layer.weight, 0.5, 2)
        torch.nn.init.uniform_(layer.bias, -1, 1)
    return layers


def results(layer, inputs):
    outputs = layer(inputs)
    torch.manual_seed(2)
    gradients = torch.autograd.grad(outputs, [inputs, layer.weight, layer.bias], torch.randn(outputs.shape))
    return [outputs.detach(), *gradients, layer.running_mean, layer.running_var]


@pytest.mark.parametrize("shape", [(3, 5, 24, 20), (2, 12, 56, 56), (1, 1, 20, 20), (4, 8, 7, 7), (2, 3, 1, 500)])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format], ids=["last", "first"])
def test_training_gives_what_torch_gives(shape, memory_format):
    ours, theirs = both(shape[1])
    for _ in range(3):
        inputs = frames(shape, memory_format)
        for one, other in zip(results(ours, inputs), results(theirs, inputs), strict=True):
            torch.testing.assert_close(one, other, rtol=2e-4, atol=2e-5 * float(other.abs().max()))
    assert ours.num_batches_tracked == theirs.num_batches_tracked == 3


def test_what_it_gives_may_be_changed_in_place():
    gradients = []
    for layer in both(3):
        inputs = frames((2, 3, 24, 24))
        torch.nn.functional.relu(layer(inputs), inplace=True).square().sum().backward()
        gradients.append(inputs.grad)
    torch.testing.assert_close(*gradients, rtol=2e-4, atol=1e-3)


def test_states_are_torchs_and_evaluation_is_its_own():
    ours, theirs = both(6)
    results(theirs, frames((2, 6, 32, 32)))
    ours.load_state_dict(theirs.state_dict())
    inputs = frames((2, 6, 32, 32))
    assert torch.equal(ours.eval()(inputs), theirs.eval()(inputs))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_of_the_weights_are_left_to_torch(dtype):
    ours, theirs = (layer.to(dtype) for layer in both(4))
    inputs = frames((2, 4, 24, 24), dtype=dtype)
    assert torch.equal(ours(inputs), theirs(inputs))


def test_what_autocast_gives_it_is_normalised_in_full_precision():
    ours, theirs = both(4)
    inputs = frames((2, 4, 24, 24), dtype=torch.bfloat16)
    outputs = ours(inputs)
    assert outputs.dtype == torch.float32
    torch.testing.assert_close(outputs, theirs(inputs.float()), rtol=2e-4, atol=2e-5 * float(outputs.abs().max()))
    (gradient,) = torch.autograd.grad(outputs.square().sum(), inputs)
    assert gradient.dtype == torch.bfloat16


def test_a_gradient_of_the_gradient_is_refused_rather_than_wrong():
    layer = BatchNorm(4)
    inputs = frames((2, 4, 24, 24))
    # Of a sum, whose own gradient is a constant, torch's once_differentiable would notice nothing.
    for loss in (layer(inputs).sum(), layer(inputs).square().sum()):
        with pytest.raises(RuntimeError, match="no second derivatives in training"):
            torch.autograd.grad(loss, inputs, create_graph=True)
