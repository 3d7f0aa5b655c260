"""The promises of an adversary, each against one that breaks it."""

import numpy as np
import pytest
import torch
from breaking import check_each_has_a_breaker, check_only, verdict_on

from kdkit import Adversary
from kdkit.testing import AdversaryContract


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 6)
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, count):
        return 255 * self.layer(torch.randn(count, 3)).sigmoid().unflatten(1, (2, 3))


class Good(Adversary):
    """Looks for disagreement."""

    def build(self):
        return Network()

    def loss(self, inputs, teacher, student):
        return -(teacher(inputs) - student(inputs)).abs().mean()


class Unknown(Good):
    """Names an activation that does not exist."""

    activations = ("argmax",)


class Idle(Good):
    """Takes no step."""

    adversary_steps = 0


class OneShort(Good):
    """Makes one too few."""

    def build(self):
        network = Network()
        make = network.forward
        network.forward = lambda count: make(count - 1)
        return network


class Moody(Good):
    """Draws from chance of its own."""

    def build(self):
        network = Network()
        make = network.forward

        def forward(count):
            torch.manual_seed(int(np.random.default_rng().integers(1 << 30)))
            return make(count)

        network.forward = forward
        return network


class Attached(Good):
    """Teaches with gradients."""

    def training_batch(self, network, count):
        return network(count)


class Detached(Good):
    """Cuts the gradient off."""

    def loss(self, inputs, teacher, student):
        return super().loss(inputs.detach(), teacher, student) + 0 * inputs.sum() * torch.inf


class Hooking(Good):
    """Leaves a hook."""

    def loss(self, inputs, teacher, student):
        teacher.register_forward_hook(lambda *_: None)
        return super().loss(inputs, teacher, student)


class Lazy(Good):
    """Trains nothing."""

    def optimizer(self, network):
        return torch.optim.SGD(network.parameters(), lr=0.0)


class Secretive(Good):
    """Remembers outside of its state."""

    def training_batch(self, network, count):
        network.count = getattr(network, "count", 0) + 1
        return (network(count) / network.count).detach().to(torch.uint8)


BROKEN = [
    (Unknown, "test_activations_are_known"),
    (Idle, "test_steps_are_counted"),
    (OneShort, "test_inputs_are_a_batch_of_finite_floats"),
    (Attached, "test_a_lesson_is_raw"),
    (Detached, "test_its_loss_reaches_every_weight"),
    (Hooking, "test_players_are_left_unchanged"),
    (Lazy, "test_an_optimizer_trains_it"),
    (Secretive, "test_its_state_is_all_it_keeps"),
]


@pytest.mark.parametrize(("component", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_the_broken_promise_is_noticed(component, test):
    if component is Detached:
        assert test in {broken.test for broken in verdict_on(AdversaryContract, component).broken}
    else:
        check_only(test, AdversaryContract, component)


def test_chance_of_its_own_is_noticed():
    broken = {broken.test for broken in verdict_on(AdversaryContract, Moody).broken}
    assert "test_inputs_follow_the_seed" in broken


def test_every_promise_has_a_breaker():
    check_each_has_a_breaker(AdversaryContract, ["test_inputs_follow_the_seed", *(test for _, test in BROKEN)])


def test_a_good_adversary_keeps_all_promises():
    verdict = verdict_on(AdversaryContract, Good)
    assert verdict.broken == []
    assert len(verdict.kept) >= 15
