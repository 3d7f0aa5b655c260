"""The promises of an objective, each against one that breaks it."""

import pytest
import torch
import torch.nn.functional as F
from breaking import check_each_has_a_breaker, check_only, verdict_on

from kdkit import Objective
from kdkit.objectives.attention import Attention
from kdkit.objectives.hint import Hint
from kdkit.objectives.kl import KL
from kdkit.objectives.mse import MSE
from kdkit.objectives.soft_bce import SoftBCE
from kdkit.objectives.soft_dice import SoftDice
from kdkit.testing import ObjectiveContract


class Good(Objective):
    """Binary cross-entropy."""

    activations = ("sigmoid",)

    def loss(self, logits, targets, weight=None):
        return F.binary_cross_entropy_with_logits(logits, targets, weight)


class Unknown(Good):
    """Names an activation that does not exist."""

    activations = ("sigmoid", "argmax")


class OneForEach(Good):
    """A loss for each sample."""

    def loss(self, logits, targets, weight=None):
        return F.binary_cross_entropy_with_logits(logits, targets, weight, reduction="none").flatten(1).mean(1)


class NotANumber(Good):
    """Divides by zero, once, where all is well."""

    def loss(self, logits, targets, weight=None):
        return F.binary_cross_entropy_with_logits(logits, targets, weight) + 0 * (logits.abs() < 100).sum() / 0


class Naive(Good):
    """Takes logarithms of probabilities."""

    def loss(self, logits, targets, weight=None):
        found = logits.sigmoid()
        terms = -(targets * found.log() + (1 - targets) * (1 - found).log())
        return terms.mean() if weight is None else (weight * terms).mean()


class Detached(Good):
    """Cuts the gradient off."""

    def loss(self, logits, targets, weight=None):
        return super().loss(logits.detach(), targets, weight)


class Partial(Good):
    """Has an infinite gradient at its edge."""

    def loss(self, logits, targets, weight=None):
        edge = (logits - logits.detach()).abs().sqrt().sum()
        return super().loss(logits, targets, weight) + edge


class Preferring(Good):
    """Weighs the last sample of a batch most."""

    def loss(self, logits, targets, weight=None):
        losses = F.binary_cross_entropy_with_logits(logits, targets, weight, reduction="none").flatten(1).mean(1)
        return (losses * torch.linspace(0, 1, len(losses))).mean()


class Overconfident(Good):
    """Rewards larger logits than the teacher's."""

    def loss(self, logits, targets, weight=None):
        return F.binary_cross_entropy_with_logits(logits, (targets > 0.5).float(), weight)


class Mismatched(Objective):
    """Compares logits with whatever it is given."""

    def loss(self, logits, targets, weight=None):
        squares = (logits - targets) ** 2
        return squares.mean() if weight is None else (weight * squares).mean()


class Credulous(Good):
    """Believes every target alike."""

    def loss(self, logits, targets, weight=None):
        return super().loss(logits, targets)


class Overwriting(Good):
    """Clamps in place."""

    def loss(self, logits, targets, weight=None):
        loss = super().loss(logits.clone(), targets.clone(), weight)
        targets.clamp_(0.4, 0.6)
        return loss


BROKEN = [
    (Unknown, "test_activations_are_known"),
    (OneForEach, "test_the_loss_is_a_finite_number"),
    (Naive, "test_extreme_logits_are_survived"),
    (Detached, "test_the_gradient_is_finite"),
    (Partial, "test_the_gradient_is_finite"),
    (Preferring, "test_the_order_of_a_batch_does_not_matter"),
    (Overconfident, "test_the_teachers_prediction_is_the_minimum"),
    (Mismatched, "test_the_teachers_prediction_is_the_minimum"),
    (Credulous, "test_weights_are_counted"),
    (Overwriting, "test_its_arguments_are_left_unchanged"),
]


@pytest.mark.parametrize(("component", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_exactly_the_broken_promise_is_noticed(component, test):
    check_only(test, ObjectiveContract, component)


def test_every_promise_has_a_breaker():
    check_each_has_a_breaker(ObjectiveContract, [test for _, test in BROKEN])


def test_a_loss_that_is_never_a_number_is_noticed():
    broken = {broken.test for broken in verdict_on(ObjectiveContract, NotANumber).broken}
    assert "test_the_loss_is_a_finite_number" in broken


@pytest.mark.parametrize("component", [Good, KL, MSE, SoftBCE, SoftDice, Hint, Attention])
def test_good_objectives_keep_all_promises(component):
    verdict = verdict_on(ObjectiveContract, component)
    assert verdict.broken == []
    assert len(verdict.kept) >= 16
