"""Whatever a user's loss does, the training goes on or ends with one message that names it, and the step."""

from dataclasses import replace

import pytest
import torch

from kdkit import KdkitError, Objective
from kdkit.contracts.component import Origin
from kdkit.recipe.experiment import Term
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages

SMALL = (
    *("samples.train=40", "samples.validation=2", "samples.evaluation=2", "controls=[]"),
    *("training.epochs=1", "training.batch_size=1"),
)
NAME = "the objective mine (kdkit-mine 1)"


class Mine(Objective):
    """The mean squared difference, until the losses of ``faults`` are due, by the number of the call from 1."""

    origin = Origin("mine", "kdkit-mine", "1")
    faults = {}

    def __init__(self):
        super().__init__()
        self.calls = 0

    def loss(self, logits, targets, weight=None):
        self.calls += 1
        fault = self.faults.get(self.calls) or self.faults.get(0)
        return fault(logits, targets) if fault else ((logits - targets) ** 2).mean()


def fail(logits, targets):
    raise ZeroDivisionError("in the loss")


def change_targets(logits, targets):
    targets -= 1
    return (logits * targets).mean()


def change_logits(logits, targets):
    return logits.mul_(2).mean()


def not_finite(logits, targets):
    return logits.mean() * float("nan")


FAULTS = {
    "sometimes not finite": ({37: not_finite}, "gives a loss that is not finite in epoch 0, step 37 of its training"),
    "not finite in validation": ({41: not_finite}, "gives a loss that is not finite in epoch 0, step 1 of its valid"),
    "raises at step 37": ({37: fail}, "failed in loss(): ZeroDivisionError: in the loss (step 37 of epoch 0)"),
    "detached": ({0: lambda a, b: (a.detach() - b).mean()}, "gives a loss of which no gradient reaches the logits"),
    "of something else": (
        {0: lambda a, b: torch.ones((), requires_grad=True) * b.mean()},
        "gives a loss of which no gradient reaches the logits",
    ),
    "detached at step 37": ({37: lambda a, b: (a.detach() - b).mean()}, "reaches the logits, so nothing is learnt "),
    "whole numbers": ({0: lambda a, b: (a > b).sum()}, "loss() gives a Tensor int64 ()"),
    "one for each sample": ({0: lambda a, b: (a - b).flatten()}, "loss() gives a Tensor float32 (768,)"),
    "none": ({0: lambda a, b: None}, "loss() gives None"),
    "other targets": ({0: change_targets}, "changes its logits, targets or weight in place"),
    "other logits": ({37: change_logits}, "changes its logits, targets or weight in place"),
}


@pytest.fixture
def train(prepare):
    """Train a student by a sum of a loss with these faults, and of one without."""

    def run(faults):
        made = prepare(*SMALL)
        mine = Mine()
        mine.faults = faults
        terms = [Term("mine", 1.0, mine), *made.experiment.terms]
        run_stages(Run(replace(made.experiment, terms=terms), made.folder, made.root, made.progress), last="distill")
        return made

    return run


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_loss_ends_the_training_by_its_name(train, fault):
    faults, told = FAULTS[fault]
    with pytest.raises(KdkitError) as caught:
        train(faults)
    assert caught.value.message.startswith(NAME) and told in caught.value.message
    assert caught.value.remedy


def test_a_loss_below_zero_is_trained_by(train):
    made = train({0: lambda logits, targets: -(logits * (targets - 0.5)).mean()})
    assert made.folder.model("student").is_dir()
