"""An experiment from its recipe."""

import pytest
import yaml

from kdkit.errors import UsageError
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
