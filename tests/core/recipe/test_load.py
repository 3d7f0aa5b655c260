"""An experiment from its recipe."""

import pytest
import yaml

from kdkit.errors import RecipeError, UsageError
from kdkit.plugins.registry import discover
from kdkit.recipe.load import default_tree, load_experiment


def test_a_setting_cannot_change_the_domain_behind_the_commands_back(load, problems):
    assert "but the command asks for 'toy'" in problems(lambda: load("domain=echocardio"))["domain"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_new_component_and_its_options_may_be_set_in_any_order(load, order):
    settings = ["generator.name=noise", "generator.shape=[4, 16, 16]"]
    experiment = load(*settings[::order])
    assert experiment.generator.options.shape == (4, 16, 16)


def test_an_unknown_domain_suggests_the_nearest(toy):
    with pytest.raises(UsageError, match=r"no domain called 'toys'; did you mean toy\?"):
        load_experiment(discover({}), "toys")


def test_a_run_is_the_same_whatever_it_runs_on_and_another_for_another_seed(load):
    assert load("trainer.workers=2", "trainer.devices=2").identity() == load().identity()
    assert load("generator.size=16").identity() == load().identity()  # the default, said aloud
    others = {load(setting).identity() for setting in ("seed=1", "teacher.threshold=0.1", "samples.train=9")}
    assert len(others | {load().identity()}) == 4


@pytest.mark.parametrize(
    ("activation", "objective"), [("sigmoid", "soft-bce"), ("softmax", "kl"), ("identity", "mse")]
)
def test_a_recipe_without_an_objective_gets_that_of_the_activation(toy, monkeypatch, activation, objective):
    registry = discover({})
    domain = registry.component("domain", "toy")
    tree = default_tree(domain, "toy")
    del tree["objective"]
    monkeypatch.setattr(domain, "activation", activation)
    monkeypatch.setattr(domain, "recipe", yaml.safe_dump(tree))
    (term,) = load_experiment(registry, "toy").terms
    assert term.name == objective
    assert activation in term.objective.activations


def source(call):
    """Where a recipe's problems are said to be."""
    with pytest.raises(RecipeError) as caught:
        call()
    return caught.value.source


NO_SETTINGS = ["=3", "", " =3", ".=1", ".seed=1", "seed.=1", "training..epochs=1", "seed"]
NOWHERE_TO_SET = ["seed.x=1", "controls.9.epochs=1", "training={epochs: 1, epochs: 2}"]


@pytest.mark.parametrize("setting", NO_SETTINGS + NOWHERE_TO_SET)
def test_what_is_no_setting_is_no_fault_of_a_recipe(load, setting):
    assert source(lambda: load(setting)) == "--set"
    of_the_same_part = {"seed": 4, "training": {"batch_size": 2}, "controls": []}
    assert source(lambda: load(setting, config=of_the_same_part)) == "--set"


@pytest.mark.parametrize("setting", ["training.epochs=", "nonsense=1"])
def test_a_value_that_does_not_fit_is_said_of_the_setting(load, setting):
    assert source(lambda: load(setting, config={"seed": 4})) == "--set"


def test_problems_of_the_file_and_of_the_settings_are_said_of_both(load):
    wrong = {"seed": "many"}
    assert source(lambda: load("samples.train=4", config=wrong)) == "config"
    assert source(lambda: load("=3", config=wrong)) == "config and --set"
    assert source(lambda: load("samples.train=x", config=wrong)) == "config and --set"
