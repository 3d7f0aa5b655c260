"""The core's objectives against values computed by other means."""

import math

import pytest
import torch
from pydantic import ValidationError

from kdkit.objectives.adapter import Adapter
from kdkit.objectives.attention import Attention
from kdkit.objectives.hint import Hint
from kdkit.objectives.kl import KL
from kdkit.objectives.mse import MSE
from kdkit.objectives.soft_bce import SoftBCE
from kdkit.objectives.soft_dice import SoftDice

LAYERS = {"layers": [["features", "features"]]}


def test_soft_bce_of_known_values():
    # p = 0.5: ln 2 whatever the target; p = 0.8 with target 0.25: -(0.25 ln 0.8 + 0.75 ln 0.2).
    logits = torch.tensor([0.0, math.log(4)])
    expected = (math.log(2) - (0.25 * math.log(0.8) + 0.75 * math.log(0.2))) / 2
    assert SoftBCE().loss(logits, torch.tensor([0.9, 0.25])).item() == pytest.approx(expected, rel=1e-6)


def test_soft_bce_is_smallest_where_student_and_teacher_agree():
    target = torch.linspace(0.05, 0.95, 7)
    logits = torch.logit(target).requires_grad_()
    loss = SoftBCE().loss(logits, target)
    loss.backward()
    assert logits.grad.abs().max() < 1e-7
    for shift in (-0.3, 0.3):
        assert SoftBCE().loss(logits.detach() + shift, target) > loss


def test_soft_bce_stays_finite_for_certain_answers():
    loss = SoftBCE().loss(torch.tensor([200.0, -200.0]), torch.tensor([0.0, 1.0]))
    assert loss.item() == pytest.approx(200.0)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 4, 5)])
def test_kl_is_hintons_formula(temperature, shape):
    torch.manual_seed(0)
    student, teacher = torch.randn(shape), torch.randn(shape)
    p = torch.softmax(teacher / temperature, -1)
    q = torch.softmax(student / temperature, -1)
    expected = temperature**2 * (p * (p.log() - q.log())).sum(-1).mean()
    loss = KL(KL.Options(temperature=temperature)).loss(student, teacher)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_kl_of_known_values():
    teacher, student = torch.log(torch.tensor([[0.75, 0.25]])), torch.log(torch.tensor([[0.5, 0.5]]))
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert KL(KL.Options(temperature=1)).loss(student, teacher).item() == pytest.approx(expected, rel=1e-6)


def test_kl_is_zero_where_student_and_teacher_agree_and_shifts_of_all_logits_mean_nothing():
    logits = torch.randn(4, 6)
    assert KL().loss(logits + 3, logits).item() == pytest.approx(0, abs=1e-6)


def test_mse_of_known_values():
    assert MSE().loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])).item() == pytest.approx(2.5)


@pytest.mark.parametrize("temperature", [0, -1, math.inf, math.nan])
def test_a_temperature_that_means_nothing_is_refused(temperature):
    with pytest.raises(ValidationError):
        KL.Options(temperature=temperature)


def test_each_term_of_a_loss_is_multiplied_by_its_weight():
    torch.manual_seed(0)
    logits, targets, weight = torch.randn(4, 3), torch.randn(4, 3), torch.rand(4, 3)
    assert MSE().loss(logits, targets, weight).item() == pytest.approx(
        (weight * (logits - targets) ** 2).mean().item()
    )
    p, q = targets.sigmoid(), logits.sigmoid()
    expected = -(weight * (p * q.log() + (1 - p) * (1 - q).log())).mean()
    assert SoftBCE().loss(logits, p, weight).item() == pytest.approx(expected.item(), rel=1e-5)
    of_samples = torch.tensor([[1.0], [0.5], [0.0], [0.25]])
    each = [KL().loss(logits[i : i + 1], targets[i : i + 1]).item() for i in range(4)]
    assert KL().loss(logits, targets, of_samples).item() == pytest.approx(
        (each[0] + 0.5 * each[1] + 0.25 * each[3]) / 4, rel=1e-5
    )


def test_soft_dice_of_known_values():
    # p = (0.8, 0.5), t = (1, 0): 2 * 0.8 / (0.64 + 0.25 + 1); a second sample that agrees counts as nothing lost.
    logits = torch.tensor([[math.log(4), 0.0], [0.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    tiny = SoftDice(SoftDice.Options(smooth=1e-9))
    assert tiny.loss(logits, targets).item() == pytest.approx((1 - 1.6 / 1.89) / 2, rel=1e-6)
    smoothed = SoftDice().loss(logits, targets).item()
    assert smoothed == pytest.approx((1 - 2.6 / 2.89) / 2, rel=1e-6)


def test_soft_dice_of_two_empty_masks_is_nothing_lost():
    assert SoftDice().loss(torch.full((2, 3, 3), -200.0), torch.zeros(2, 3, 3)).item() == 0


def test_soft_dice_counts_values_by_their_weight():
    logits, targets = torch.tensor([[3.0, -1.0, 2.0]]), torch.tensor([[1.0, 0.2, 0.1]])
    weighted_loss = SoftDice().loss(logits, targets, torch.tensor([[1.0, 1.0, 0.0]]))
    assert weighted_loss.item() == pytest.approx(SoftDice().loss(logits[:, :2], targets[:, :2]).item())


def test_a_hint_is_the_mean_squared_difference():
    assert Hint(Hint.Options.model_validate(LAYERS)).loss(
        torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])
    ).item() == pytest.approx(2.5)


def test_an_adapter_maps_the_channels_and_stretches_the_rest():
    adapter = Adapter(2, (3, 4, 4))
    features = torch.arange(16.0).reshape(2, 2, 2, 2)
    mapped = torch.einsum("oc,bchw->bohw", adapter.map.weight, features) + adapter.map.bias.view(1, 3, 1, 1)
    expected = torch.nn.functional.interpolate(mapped, (4, 4), mode="bilinear")
    torch.testing.assert_close(adapter(features), expected)
    assert Adapter(5, (7,))(torch.zeros(2, 5)).shape == (2, 7)
    assert Adapter(5, (7, 9))(torch.zeros(2, 5, 3)).shape == (2, 7, 9)


def test_attention_of_known_values():
    # Maps (3² + 1²)/2 : 0 and 1 : 1, normalised (1, 0) and (√½, √½): squared distance 2 - √2.
    student = torch.tensor([[[3.0, 0.0], [1.0, 0.0]]])
    teacher = torch.tensor([[[-1.0, 1.0]]])
    loss = Attention(Attention.Options.model_validate(LAYERS)).loss(student, teacher)
    assert loss.item() == pytest.approx(2 - math.sqrt(2), rel=1e-6)


def test_attention_does_not_mind_scale_channels_or_size():
    torch.manual_seed(0)
    objective = Attention(Attention.Options.model_validate(LAYERS))
    features = torch.randn(2, 3, 4, 4)
    assert objective.loss(5 * features, features).item() == pytest.approx(0, abs=1e-6)
    flat = torch.ones(2, 6, 2, 2)
    assert objective.loss(flat, torch.ones(2, 3, 8, 8)).item() == pytest.approx(0, abs=1e-6)
