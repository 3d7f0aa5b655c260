"""The promises of a student, each against one that breaks it."""

import numpy as np
import pytest
import torch
from breaking import check_each_has_a_breaker, check_only, verdict_on

from kdkit import ComponentOptions, Field, Student
from kdkit.testing import StudentContract

INPUTS = np.random.default_rng(0).integers(0, 256, (3, 6, 6), dtype=np.uint8)


class Network(torch.nn.Module):
    """Two layers on the pixels of an image."""

    def __init__(self, width=8):
        super().__init__()
        self.first = torch.nn.Linear(36, width)
        self.second = torch.nn.Linear(width, 5)

    def forward(self, inputs):
        return self.second(self.first(inputs.flatten(1).float() / 255).tanh())


class Layers(Student):
    """Two layers."""

    inputs = "(batch, 6, 6) uint8, 0..255, grey"
    network = Network

    class Options(ComponentOptions):
        width: int = Field(8, ge=1, description="Values between the layers.")

    def build(self):
        return self.network(self.options.width)


class RoundingInUse(Network):
    def forward(self, inputs):
        answers = super().forward(inputs)
        return answers if self.training else (100 * answers).round().int()


class DividingInUse(Network):
    def forward(self, inputs):
        answers = super().forward(inputs)
        return answers if self.training else answers / (inputs.sum() * 0)


class Centring(Network):
    def forward(self, inputs):
        answers = super().forward(inputs)
        return answers - answers.mean(0)


class Remembering(Network):
    last = 0.0

    def forward(self, inputs):
        if self.training:
            return super().forward(inputs)
        self.last = super().forward(inputs) + 0.5 * self.last
        return self.last


class Overwriting(Network):
    def forward(self, inputs):
        answers = super().forward(inputs)
        inputs //= 2
        return answers


class Unsaved(Network):
    def __init__(self, width):
        super().__init__(width)
        self.offset = torch.randn(5)

    def forward(self, inputs):
        return super().forward(inputs) + self.offset


class Tied(Network):
    def __init__(self, width):
        super().__init__(width)
        self.again = torch.nn.Linear(width, 5)
        self.again.weight = self.second.weight

    def forward(self, inputs):
        return super().forward(inputs) + self.again(self.first(inputs.flatten(1).float() / 255))


class Unused(Network):
    def __init__(self, width):
        super().__init__(width)
        self.spare = torch.nn.Linear(3, 3)


class Detached(Network):
    def forward(self, inputs):
        return self.second(self.first(inputs.flatten(1).float() / 255).tanh().detach())


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(context, values):
        return values.clone()

    @staticmethod
    def backward(context, gradient):
        return -gradient


class Uphill(Network):
    def forward(self, inputs):
        return Reversed.apply(super().forward(inputs))


class Forgetful(Network):
    """Rows of an image are its steps; step by step the earlier ones do not count."""

    def initial_state(self, frames):
        return ()

    def step(self, frame, state):
        return frame[:, :5].float(), state

    def forward(self, inputs):
        return super().forward(inputs)[:, None].expand(-1, inputs.shape[1], -1)


class Silent(Layers):
    """Does not say what it takes."""

    inputs = ""


class Chance(Layers):
    """Draws from numpy."""

    def build(self):
        network = super().build()
        network.register_buffer("drawn", torch.from_numpy(np.random.default_rng().normal(size=3)))
        return network


def _with(network: type[Network]) -> type[Layers]:
    """The student with another network, under a name by which other processes find it."""
    name = f"{network.__name__}Student"
    globals()[name] = type(name, (Layers,), {"network": network, "__doc__": "Broken.", "__module__": __name__})
    return globals()[name]


BROKEN = [
    (_with(RoundingInUse), "test_predictions_are_a_batch_of_floats"),
    (_with(DividingInUse), "test_predictions_are_finite"),
    (_with(Centring), "test_a_prediction_does_not_depend_on_the_batch"),
    (_with(Remembering), "test_a_prediction_is_repeated"),
    (_with(Overwriting), "test_inputs_are_left_unchanged"),
    (Silent, "test_it_says_what_it_takes"),
    (Chance, "test_weights_follow_the_seed"),
    (_with(Unsaved), "test_saved_weights_are_the_student"),
    (_with(Tied), "test_saved_weights_are_the_student"),
    (_with(Unused), "test_gradients_reach_every_weight"),
    (_with(Detached), "test_gradients_reach_every_weight"),
    (_with(Uphill), "test_a_step_lowers_the_loss"),
    (_with(Forgetful), "test_a_stream_gives_the_logits_of_the_clip"),
]


@pytest.mark.parametrize(("component", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_exactly_the_broken_promise_is_noticed(component, test):
    check_only(test, StudentContract, component, inputs=INPUTS)


def test_every_promise_has_a_breaker():
    check_each_has_a_breaker(StudentContract, [test for _, test in BROKEN])


def test_a_good_student_keeps_all_promises():
    verdict = verdict_on(StudentContract, Layers, inputs=INPUTS, output_shape=(5,))
    assert verdict.broken == []
    assert len(verdict.kept) == 20


class Normalised(Network):
    def __init__(self, width):
        super().__init__(width)
        self.norm = torch.nn.BatchNorm1d(width)
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, inputs):
        return self.second(self.drop(self.norm(self.first(inputs.flatten(1).float() / 255))))


NormalisedStudent = _with(Normalised)


def test_normalisation_and_dropout_are_no_offence():
    assert verdict_on(StudentContract, NormalisedStudent, inputs=INPUTS).broken == []
