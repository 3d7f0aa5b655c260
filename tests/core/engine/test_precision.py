"""bfloat16 is taken where it is faster and decides alike, and float32 everywhere else."""

import numpy as np
import pytest
import torch
from torch import nn

from kdkit.engine.inference import freeze, infer_logits
from kdkit.engine.precision import choose_precision
from kdkit.errors import DataError
from kdkit.recipe.schema import Hardware

HARDWARE = Hardware(accelerator="cpu", devices=1, precision="auto")
INPUTS = [np.random.default_rng(i).integers(0, 256, (3, 12, 12), np.uint8) for i in range(3)]


class Casting(nn.Module):
    """Takes its inputs to the type of its weights, as a network must that is to run with weights of any type."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.conv.bias.data = torch.tensor([3.0, -3.0, 2.0, -2.0])  # no logit is nearly zero

    def forward(self, raw):
        return self.conv(raw.to(self.conv.weight.dtype) / 255)


class Floating(Casting):
    """Computes in float32 whatever its weights are: only autocast can help."""

    def forward(self, raw):
        return self.conv(raw.float() / 255)


class Undecided(Casting):
    """Above zero in float32, below it in anything else."""

    def forward(self, raw):
        logits = super().forward(raw)
        return torch.ones_like(logits) if logits.dtype == torch.float32 else -torch.ones_like(logits)


class Reversed(Casting):
    """Another class has the largest logit in float32 than in anything else."""

    def forward(self, raw):
        logits = super().forward(raw)
        return logits if logits.dtype == torch.float32 else -logits


class Overflowing(Casting):
    def forward(self, raw):
        logits = super().forward(raw)
        return logits if logits.dtype == torch.float32 else logits / 0


class Silent(nn.Module):
    """Computes elsewhere, without weights of its own."""

    def forward(self, raw):
        return raw.float() - 100


def timer(factor):
    """Float32 takes ``factor`` times as long as anything else."""
    return lambda precision, call: factor if precision == "32-true" else 1.0


def choose(network, tmp_path, factor=2.0, activation="sigmoid", inputs=INPUTS):
    return choose_precision(network, inputs, activation, HARDWARE, tmp_path, timer(factor))


def test_weights_are_cast_where_that_is_faster_and_decides_alike(tmp_path):
    choice = choose(Casting, tmp_path, 1.15)
    assert choice.chosen == "bf16-true"
    (trial,) = choice.trials
    assert (trial.seconds, trial.full_seconds) == (1.0, 1.15)
    assert 0.999 <= trial.agreement <= 1
    assert (choice.samples, choice.device) == (1, "cpu")


@pytest.mark.parametrize(("seconds", "samples"), [(0.05, 3), (0.1, 2), (10.0, 1)])
def test_a_slow_network_is_measured_on_fewer_samples(tmp_path, seconds, samples):
    sizes = []

    def measure(precision, call):
        sizes.append(len(call()))
        return seconds if precision == "32-true" else seconds / 2

    assert choose_precision(Casting, INPUTS, "sigmoid", HARDWARE, tmp_path, measure).samples == samples
    assert set(sizes[1:]) == {samples}


def test_a_network_that_insists_on_float32_is_run_with_autocast(tmp_path):
    choice = choose(Floating, tmp_path)
    assert choice.chosen == "bf16-mixed"
    assert "cannot take inputs" in choice.trials[0].error
    assert not choice.trials[0].pays()


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.14])
def test_float32_stays_where_bfloat16_gains_too_little(tmp_path, factor):
    choice = choose(Casting, tmp_path, factor)
    assert choice.chosen == "32-true"
    assert [trial.precision for trial in choice.trials] == ["bf16-true", "bf16-mixed"]


@pytest.mark.parametrize(
    ("network", "activation"),
    [(Undecided, "sigmoid"), (Overflowing, "sigmoid"), (Overflowing, "softmax"), (Reversed, "softmax")],
)
def test_float32_stays_where_bfloat16_decides_otherwise(tmp_path, network, activation):
    choice = choose(network, tmp_path, 100.0, activation)
    assert choice.chosen == "32-true"
    assert max(trial.agreement for trial in choice.trials) < 0.999


@pytest.mark.parametrize(
    ("network", "activation"), [(Casting, "identity"), (Silent, "sigmoid")], ids=["values", "without weights"]
)
def test_what_holds_no_decision_or_no_weights_is_not_measured(tmp_path, network, activation):
    choice = choose_precision(network, INPUTS, activation, HARDWARE, tmp_path, lambda *_: pytest.fail("measured"))
    assert (choice.chosen, choice.trials) == ("32-true", [])
    assert choice.reason


def test_inputs_that_the_network_cannot_take_are_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot take inputs"):
        choose(Casting, tmp_path, inputs=[np.zeros((5, 12, 12), np.uint8)])


def test_the_real_measurement_comes_to_a_choice_with_both_speeds(tmp_path):
    choice = choose_precision(Casting, INPUTS, "sigmoid", HARDWARE, tmp_path)
    assert choice.chosen in ("32-true", "bf16-true", "bf16-mixed")
    for trial in choice.trials:
        assert trial.seconds > 0
        assert trial.full_seconds > 0
        assert trial.pays() == (choice.chosen == trial.precision)


def test_what_is_measured_is_done_in_the_precision_that_it_is_named(tmp_path):
    outputs = {}

    def keep(precision, call):
        outputs[precision] = call()
        return 0.01

    choose_precision(Casting, INPUTS, "sigmoid", HARDWARE, tmp_path, keep)
    expected = infer_logits(freeze(Casting()), INPUTS, torch.device("cpu"))
    torch.testing.assert_close(outputs["32-true"], expected, rtol=0, atol=0)
    for precision in ("bf16-true", "bf16-mixed"):
        torch.testing.assert_close(outputs[precision], expected, rtol=0.02, atol=0.02)
        assert not torch.equal(outputs[precision][0], expected[0])
        assert torch.equal(outputs[precision][0], outputs[precision][0].bfloat16().float())
    assert torch.get_default_dtype() == torch.float32
