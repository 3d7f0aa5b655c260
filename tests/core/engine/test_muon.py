"""The Muon optimiser: against torch's own, against AdamW, and what its steps are by definition."""

import pytest
import torch
from torch import nn

from kdkit.engine.muon import MOMENTUM, TYPICAL_STEP, Muon, orthogonalize, split_parameters


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", [(12, 12), (8, 90), (90, 8), (2, 2), (3, 1000)])
def test_orthogonalizing_keeps_singular_vectors_and_brings_values_near_one(shape):
    matrix = 1e-4 * torch.randn(shape)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    # In the base of the singular vectors it is diagonal.
    seen = left.T @ orthogonalize(matrix) @ right.T
    assert (seen - torch.diag(seen.diagonal())).abs().max() < 1e-3
    # Values below a thousandth of the largest are brought nearer to one in more rounds.
    large = values > 0.02 * values.max()
    assert seen.diagonal()[large].min() > 0.6 and seen.diagonal().max() < 1.3


def test_orthogonalizing_does_not_depend_on_the_scale():
    matrix = torch.randn(5, 7)
    for scale in (1e-30, 1e-3, 1e15):
        assert torch.allclose(orthogonalize(scale * matrix), orthogonalize(matrix), atol=1e-5)
    assert torch.equal(orthogonalize(torch.zeros(4, 6)), torch.zeros(4, 6))


def steps(parameters, optimizer, count=8):
    """Steps towards a target, which has every gradient change from step to step."""
    targets = [torch.full_like(p, 0.3) + torch.linspace(0, 1, p.numel()).reshape(p.shape) for p in parameters]
    for _ in range(count):
        optimizer.zero_grad()
        sum(((p - t) ** 2).sum() + (p * t).cos().sum() for p, t in zip(parameters, targets, strict=True)).backward()
        optimizer.step()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
@pytest.mark.parametrize("shape", [(6, 6), (4, 20), (20, 4)])
def test_matrices_are_stepped_as_by_the_one_of_torch(shape):
    ours = torch.randn(shape).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    steps([ours], Muon([ours], [], 0.02, 0.1))
    reference = torch.optim.Muon([theirs], 0.02, 0.1, MOMENTUM, adjust_lr_fn="match_rms_adamw")
    before = theirs.detach().clone()
    steps([theirs], reference)
    # It iterates in bfloat16.
    assert (ours - theirs).norm() < 0.02 * (theirs - before).norm()


def test_all_others_are_stepped_as_by_adamw():
    ours, theirs = ([torch.linspace(-1, 1, 7).requires_grad_() for _ in range(2)] for _ in range(2))
    matrix = torch.randn(3, 3).requires_grad_()
    steps([*ours, matrix], Muon([matrix], ours, 0.02, 0.1))
    steps(theirs, torch.optim.AdamW(theirs, 0.02, weight_decay=0.1))
    for own, reference in zip(ours, theirs, strict=True):
        assert torch.equal(own, reference)


def test_the_first_step_is_the_orthogonal_gradient_at_the_scale_of_adamw():
    weight = torch.randn(4, 3, 2, 2).requires_grad_()
    before, gradient = weight.detach().clone(), torch.randn(4, 3, 2, 2)
    weight.grad = gradient.clone()
    Muon([weight], [], 0.5, 0.0).step()
    step = (before - weight.detach()).flatten(1)
    left, _, right = torch.linalg.svd(gradient.flatten(1), full_matrices=False)
    values = torch.linalg.svdvals(step)
    expected = 0.5 * TYPICAL_STEP * 12**0.5
    assert torch.allclose(step / values.mean(), left @ right, atol=0.3)
    assert 0.6 * expected < values.min() and values.max() < 1.3 * expected
    # The root mean square of all numbers is the learning rate times that of AdamW's steps.
    assert step.square().mean().sqrt() == pytest.approx(0.5 * TYPICAL_STEP, rel=0.3)
    assert torch.equal(weight.grad, gradient)


def test_the_layout_in_memory_does_not_matter():
    network = nn.Conv2d(3, 8, 3)
    other = nn.Conv2d(3, 8, 3)
    other.load_state_dict(network.state_dict())
    other.to(memory_format=torch.channels_last)
    for one in (network, other):
        optimizer = Muon([one.weight], [one.bias], 0.01, 0.1)
        for seed in range(3):
            inputs = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
            optimizer.zero_grad()
            one(inputs).square().mean().backward()
            optimizer.step()
    assert torch.allclose(network.weight, other.weight, atol=1e-5)


@pytest.mark.parametrize("fused", [False, True])
def test_it_goes_on_from_its_state_as_if_it_had_not_stopped(fused):
    def make():
        parameters = [torch.linspace(-1, 1, 12).reshape(3, 4).requires_grad_(), torch.ones(4, requires_grad=True)]
        return parameters, Muon(parameters[:1], parameters[1:], 0.02, 0.1, fused)

    parameters, optimizer = make()
    steps(parameters, optimizer, 6)
    halfway, stopped = make()
    steps(halfway, stopped, 3)
    resumed, optimizer = make()
    for parameter, value in zip(resumed, halfway, strict=True):
        parameter.data.copy_(value)
    optimizer.load_state_dict(stopped.state_dict())
    steps(resumed, optimizer, 3)
    for own, reference in zip(resumed, parameters, strict=True):
        assert torch.equal(own, reference)


def test_what_has_no_gradient_is_left_alone():
    frozen, used = torch.ones(3, 3, requires_grad=True), torch.ones(3, 3, requires_grad=True)
    used.grad = torch.eye(3)
    Muon([frozen, used], [], 0.1, 0.1).step()
    assert torch.equal(frozen.detach(), torch.ones(3, 3)) and frozen.grad is None
    assert not torch.equal(used.detach(), torch.ones(3, 3))


def test_a_closure_computes_the_gradients_anew():
    weight = torch.ones(2, 2, requires_grad=True)
    optimizer = Muon([weight], [], 0.1, 0.0)

    def closure():
        optimizer.zero_grad()
        loss = (weight * torch.tensor([[1.0, 2.0], [3.0, 5.0]])).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 11
    assert not torch.equal(weight.detach(), torch.ones(2, 2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_keep_their_precision(dtype):
    weight = torch.randn(4, 4).to(dtype).requires_grad_()
    before = weight.detach().clone()
    # 6e4 squared is more than float16 holds.
    weight.grad = torch.full((4, 4), 6e4, dtype=dtype)
    Muon([weight], [], 0.01, 0.0).step()
    assert weight.dtype == dtype and torch.isfinite(weight).all() and not torch.equal(weight, before)


def test_a_scaled_step_that_overflowed_is_left_out():
    weight = torch.ones(3, 3, requires_grad=True)
    optimizer = Muon([weight], [], 0.1, 0.0, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale((weight * float("inf")).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert torch.equal(weight.detach(), torch.ones(3, 3)) and scaler.get_scale() < 4


def shapes(parameters):
    return sorted(tuple(parameter.shape) for parameter in parameters)


def test_matrices_are_weights_of_hidden_layers_and_no_tables():
    hidden = [nn.Linear(4, 8), nn.LayerNorm((3, 5)), nn.Embedding(7, 4), nn.Conv1d(1, 5, 3), nn.Conv1d(3, 1, 4)]
    matrices, others = split_parameters(nn.Sequential(nn.Conv2d(2, 3, 3), *hidden, nn.Linear(8, 2)))
    assert shapes(matrices) == [(5, 1, 3), (8, 4)]
    assert shapes(others) == [(1,), (1, 3, 4), (2,), (2, 8), (3,), (3, 2, 3, 3), (3, 5), (3, 5), (5,), (7, 4), (8,)]


@pytest.mark.parametrize("layers", [[], [nn.ReLU()], [nn.Linear(3, 3)], [nn.Linear(3, 3), nn.Linear(3, 3)]])
def test_a_network_without_hidden_layers_has_no_matrices(layers):
    network = nn.Sequential(*layers)
    assert split_parameters(network) == ([], list(network.parameters()))
