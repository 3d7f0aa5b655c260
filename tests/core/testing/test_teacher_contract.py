"""The promises of a teacher, each against one that breaks it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from breaking import check_each_has_a_breaker, check_only, verdict_on
from safetensors.torch import save_file

from kdkit import ComponentOptions, Field, Generator, Sample, Teacher, load_weights
from kdkit.testing import TeacherContract

INPUTS = np.random.default_rng(0).integers(0, 256, (3, 6, 6), dtype=np.uint8)


class Network(torch.nn.Module):
    """A convolution of each image."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 3, padding=1)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, inputs):
        return self.layer(inputs[:, None].float() / 255)[:, 0]


class Convolution(Teacher):
    """A convolution with weights from a file."""

    network = Network

    class Options(ComponentOptions):
        weights: Path = Field(description="Weights file.")

    @classmethod
    def example_options(cls, folder):
        path = folder / "weights.safetensors"
        with torch.random.fork_rng():
            torch.manual_seed(0)
            save_file(Network().state_dict(), path)
        return {"weights": str(path)}

    def files(self):
        return [self.options.weights]

    def build(self):
        network = self.network()
        load_weights(network, self.options.weights)
        return network


class Rounding(Network):
    def forward(self, inputs):
        return (10 * super().forward(inputs)).round().int()


class Dividing(Network):
    def forward(self, inputs):
        answers = super().forward(inputs)
        return torch.where(inputs > 200, answers / 0, answers)


class Deaf(Network):
    def forward(self, inputs):
        return 0 * super().forward(inputs)


class Centring(Network):
    def forward(self, inputs):
        answers = super().forward(inputs)
        return answers - answers.mean()


class Counting(Network):
    calls = 0

    def forward(self, inputs):
        self.calls += 1
        return super().forward(inputs) + self.calls


class Overwriting(Network):
    def forward(self, inputs):
        answers = super().forward(inputs)
        inputs //= 2
        return answers


class Learning(Network):
    def forward(self, inputs):
        self.seen += len(inputs)
        return super().forward(inputs)


class Unfrozen(Network):
    def __init__(self):
        super().__init__()
        self.scale = torch.tensor(2.0, requires_grad=True)

    def forward(self, inputs):
        return self.scale * super().forward(inputs)


class Differentiating(Network):
    def forward(self, inputs):
        with torch.enable_grad():
            raw = inputs.float().requires_grad_(True)
            (gradient,) = torch.autograd.grad(raw.square().sum(), raw)
        return super().forward(inputs) + gradient


class Cutting(Network):
    def forward(self, inputs):
        return super().forward(inputs).detach()


class Overweighing(Network):
    def forward(self, inputs):
        answers = super().forward(inputs)
        return {"logits": answers, "weight": answers.exp()}


class Random(Convolution):
    """Its weights are drawn anew each time."""

    def build(self):
        network = super().build()
        torch.nn.init.normal_(network.layer.weight)
        return network


class Lenient(Convolution):
    """Goes on without weights that cannot be read."""

    def build(self):
        try:
            return super().build()
        except Exception:
            return Network()


class Raw(Convolution):
    """Does not say what is wrong with weights that cannot be read."""

    def build(self):
        try:
            return super().build()
        except Exception as error:
            raise RuntimeError("cannot load") from error


def _with(network: type[Network]) -> type[Convolution]:
    """The teacher with another network, under a name by which other processes find it."""
    name = f"{network.__name__}Teacher"
    globals()[name] = type(name, (Convolution,), {"network": network, "__doc__": "Broken.", "__module__": __name__})
    return globals()[name]


class Activated(Network):
    def forward(self, inputs):
        return super().forward(inputs).sigmoid()


BROKEN = [
    (_with(Activated), "test_logits_are_no_probabilities"),
    (_with(Rounding), "test_predictions_are_a_batch_of_floats"),
    (_with(Dividing), "test_predictions_are_finite"),
    (_with(Deaf), "test_predictions_depend_on_the_inputs"),
    (_with(Centring), "test_a_prediction_does_not_depend_on_the_batch"),
    (_with(Counting), "test_a_prediction_is_repeated"),
    (_with(Overwriting), "test_inputs_are_left_unchanged"),
    (_with(Learning), "test_predicting_changes_no_weight"),
    (_with(Unfrozen), "test_it_is_frozen"),
    (_with(Differentiating), "test_it_predicts_without_gradients"),
    (_with(Cutting), "test_gradients_reach_the_inputs"),
    (_with(Overweighing), "test_weights_are_shares"),
    (Random, "test_two_builds_agree"),
    (Lenient, "test_damaged_weights_are_refused"),
    (Raw, "test_damaged_weights_are_refused"),
]


@pytest.mark.parametrize(("component", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_exactly_the_broken_promise_is_noticed(component, test):
    check_only(test, TeacherContract, component, inputs=INPUTS, activation="sigmoid")


def test_probabilities_are_an_advice_where_no_domain_says_what_logits_become():
    verdict = verdict_on(TeacherContract, globals()["ActivatedTeacher"], inputs=INPUTS)
    assert verdict.broken == []
    assert any("forward is to return logits" in advice for advice in verdict.advice)


def test_every_promise_has_a_breaker():
    check_each_has_a_breaker(TeacherContract, [test for _, test in BROKEN])


def test_a_good_teacher_keeps_all_promises():
    verdict = verdict_on(TeacherContract, Convolution, inputs=INPUTS, output_shape=(6, 6))
    assert verdict.broken == []
    assert len(verdict.kept) == 21  # its one option is a path, which does not count


def test_the_shape_of_an_answer_can_be_checked():
    check_only(
        "test_predictions_are_a_batch_of_floats", TeacherContract, Convolution, inputs=INPUTS, output_shape=(10,)
    )


class Images(Generator):
    """Images of chance."""

    def generate(self, indices):
        for index in indices:
            yield Sample(self.rng(index).integers(0, 256, (6, 6), dtype=np.uint8))


def test_a_generator_can_give_the_inputs():
    assert verdict_on(TeacherContract, Convolution, generator=Images()).broken == []


def test_without_inputs_it_is_not_verified():
    verdict = verdict_on(TeacherContract, Convolution)
    assert verdict.unverified.startswith("needs example inputs; give them as Convolution.example_inputs")
