"""Each formula against values computed by hand or by another way."""

import math

import pytest
import torch
from kdkit_generators import losses
from kdkit_generators.statistics import record_mismatch

from kdkit import KdkitError

LOGITS = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]]))


def test_distances_of_known_values():
    assert losses.l1_distance(torch.tensor([1.0, 4.0]), torch.tensor([0.0, 2.0])).item() == 1.5
    even = torch.zeros(2, 3)
    expected = sum(p * math.log(p * 3) for row in LOGITS.exp().tolist() for p in row) / 2
    assert losses.kl_distance(LOGITS, even).item() == pytest.approx(expected, rel=1e-5)
    assert losses.kl_distance(LOGITS + 5, LOGITS).item() == pytest.approx(0, abs=1e-6)


def test_certain_and_balanced_answers_are_cheapest():
    assert losses.one_hot(LOGITS).item() == pytest.approx(-(math.log(0.7) + math.log(0.6)) / 2, rel=1e-5)
    mean = [0.4, 0.4, 0.2]
    assert losses.imbalance(LOGITS).item() == pytest.approx(sum(p * math.log(p) for p in mean), rel=1e-5)
    balanced = 50 * torch.eye(3)
    assert losses.imbalance(balanced).item() == pytest.approx(-math.log(3), rel=1e-5)


def test_activity_variation_and_doubt_of_known_values():
    assert losses.activity(torch.tensor([-1.0, 3.0])).item() == -2
    # Rows 0 1 / 0 0: one step of three differences along... two along each axis of a 2x2 image.
    image = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    assert losses.total_variation(image, (1, 2)).item() == pytest.approx(0.5 + 0.5)
    p = torch.tensor([0.5, 0.9])
    expected = -(p * p.log() + (1 - p) * (1 - p).log()).mean()
    assert losses.doubt(torch.logit(p)).item() == pytest.approx(expected.item(), rel=1e-5)
    assert losses.doubt(torch.tensor([80.0, -80.0])).item() == pytest.approx(0, abs=1e-6)


def test_the_mismatch_of_statistics_is_that_of_the_paper():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3)).eval()
    network[1].running_mean.normal_()
    network[1].running_var.uniform_(0.5, 2)
    inputs = torch.randn(5, 2, 6, 6, requires_grad=True)
    with record_mismatch(network) as found:
        network(inputs)
    values = network[0](inputs)
    mean, variance = values.mean((0, 2, 3)), values.var((0, 2, 3), unbiased=False)
    expected = (mean - network[1].running_mean).norm() + (variance - network[1].running_var).norm()
    assert found.total().item() == pytest.approx(expected.item(), rel=1e-5)
    found.total().backward()
    assert inputs.grad.abs().sum() > 0
    assert not network[1]._forward_hooks


def test_a_teacher_that_remembers_nothing_is_told():
    with (
        pytest.raises(KdkitError, match=r"(?s)no batch normalisation.*batch_norm=0"),
        record_mismatch(torch.nn.Linear(2, 2)),
    ):
        pass
