"""What a recipe may say."""

from typing import get_args

import pytest
import yaml

from kdkit.recipe.schema import ACCELERATORS, PRECISIONS


def test_a_precision_may_be_given_as_a_number(load):
    assert load("trainer.precision=16").recipe.trainer.precision == "16"


def test_a_seed_is_one_that_every_library_takes(load, problems):
    assert load(f"seed={2**32 - 1}").recipe.seed == 2**32 - 1
    assert "less than or equal to 4294967295" in problems(lambda: load(f"seed={2**32}"))["seed"]
    assert "seed" in problems(lambda: load("seed=-1"))


@pytest.mark.parametrize("value", ["auto", "-1", "1", "8", "[0]", "[1, 3]", "'2'", "'-1'", "'0,1'", "'0,'"])
def test_devices_are_how_many_or_which(load, value):
    assert load(f"trainer.devices={value}").recipe.trainer.devices == yaml.safe_load(value)


@pytest.mark.parametrize(
    "value", ["0", "-2", "[]", "[0, 0]", "[-1]", "'0'", "''", "all", "'1,'','", "'1;2'", "true", "1.5", "null"]
)
def test_devices_of_another_form_are_refused(load, problems, value):
    assert set(problems(lambda: load(f"trainer.devices={value}"))) == {"trainer.devices"}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("accelerator=gpuu", "found 'gpuu', expected an accelerator; did you mean gpu?"),
        ("accelerator=xyz", "known: auto, cpu, cuda, gpu, mps, tpu"),
        ("precision=bf16-mixd", "found 'bf16-mixd', expected a precision; did you mean bf16-mixed?"),
        ("precision=17", "found 17, expected a precision"),
    ],
)
def test_hardware_of_another_spelling_is_refused(load, problems, setting, message):
    key = setting.partition("=")[0]
    assert message in problems(lambda: load(f"trainer.{setting}"))[f"trainer.{key}"]


def test_the_names_are_those_of_the_installed_lightning():
    from lightning.fabric.plugins.precision.precision import _PRECISION_INPUT_STR, _PRECISION_INPUT_STR_ALIAS
    from lightning.pytorch.accelerators import AcceleratorRegistry

    assert set(PRECISIONS) == {*get_args(_PRECISION_INPUT_STR), *get_args(_PRECISION_INPUT_STR_ALIAS)}
    assert set(ACCELERATORS) == {"auto", "gpu", *AcceleratorRegistry.available_accelerators()}
