"""Defaults, a file and single settings, laid on each other."""

import pytest

from kdkit.contracts.domain import Domain
from kdkit.errors import RecipeError
from kdkit.recipe.load import default_tree
from kdkit.recipe.merge import parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "is not YAML: line"),
        ("a: b: c", "is not YAML: line 1, column"),
        ("\x00", "is not YAML"),
        ("when: 2024-13-45", "is not YAML"),
        ("- seed\n- 3\n", "found a list, expected a mapping"),
        ("just words", "found a plain text, expected a mapping"),
        (b"seed: \xff\xfe", "is not a text file in UTF-8"),
        ("domain: echocardio\n", "found 'echocardio', but the command asks for 'toy'"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_in_one_message(load, recipe, text, message):
    path = recipe(text)
    with pytest.raises(RecipeError, match=r"1 problem in .*mine\.yaml") as caught:
        load(config=path)
    assert message in str(caught.value)


def test_a_file_that_does_not_exist_or_is_a_folder_is_named(load, tmp_path):
    with pytest.raises(RecipeError, match=r"(?s)none\.yaml.*No such file"):
        load(config=tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match=r"(?s)cannot be read.*[Dd]irectory"):
        load(config=tmp_path)


def test_an_empty_file_is_the_default_recipe(load, recipe):
    assert load(config=recipe("")).identity() == load().identity()


@pytest.mark.parametrize("place", ["config", "set"])
def test_yaml_that_would_execute_code_is_not_executed(load, recipe, tmp_path, place):
    proof = tmp_path / "executed"
    attack = f"!!python/object/apply:os.system ['touch {proof}']"
    with pytest.raises(RecipeError):
        load(config=recipe(f"seed: {attack}")) if place == "config" else load(f"seed={attack}")
    assert not proof.exists()


def test_settings_win_over_the_file_and_the_file_over_the_default(load, recipe):
    path = recipe("seed: 5\ntraining: {epochs: 9}\n")
    experiment = load("training.epochs=2", config=path)
    assert (experiment.recipe.seed, experiment.recipe.training.epochs) == (5, 2)
    assert experiment.recipe.training.batch_size == 4


@pytest.mark.parametrize("setting", ["seed", "=3", "a..b=1", ".seed=1"])
def test_a_setting_of_another_form_says_which(load, setting, problems):
    assert problems(lambda: load(setting)) == {setting: "expected path.to.key=value"}


def test_a_setting_may_hold_an_equals_sign_and_any_yaml(load, problems):
    faults = problems(lambda: load("seed=a=b", "trainer.precision=x: [", "samples.train="))
    assert "'a=b'" in faults["seed"]
    assert "None" in faults["samples.train"]


def test_options_of_a_replaced_component_do_not_leak_into_the_new_one(load, recipe):
    path = recipe("teacher: {name: brightness, threshold: 0.7}")
    assert load(config=path).teacher.options.threshold == 0.7
    assert not load("teacher.name=constant", config=path).teacher.options.model_dump()
    # An option of the same component is kept beside the one that is set.
    kept = load("teacher.weights=w.bin", config=path).teacher.options
    assert (kept.threshold, str(kept.weights)) == (0.7, "w.bin")


def test_a_key_given_twice_is_refused_with_both_lines(load, recipe, problems):
    path = recipe(
        "seed: 1\ntraining: {epochs: 3}\nevaluation:\n  metrics:\n    - name: overlap\n      name: x\nseed: 2\n"
    )
    assert problems(lambda: load(config=path)) == {
        "evaluation.metrics.0.name": "given twice, on lines 5 and 6",
        "seed": "given twice, on lines 1 and 7",
    }


def test_a_key_given_twice_on_one_line_or_in_a_setting_is_refused(load, recipe, problems):
    path = recipe("\ntraining: {epochs: 3, epochs: 3}")
    assert problems(lambda: load(config=path)) == {"training.epochs": "given twice, on line 2"}
    assert problems(lambda: load("training={epochs: 3, epochs: 4}")) == {"training.epochs": "given twice"}


def test_a_packaged_recipe_with_a_key_given_twice_is_refused(toy, problems):
    class Repeating(Domain):
        """A domain."""

        recipe = "seed: 1\nseed: 2\n"

    assert problems(lambda: default_tree(Repeating, "x")) == {"seed": "given twice, on lines 1 and 2"}


def test_merged_and_repeated_nodes_of_yaml_are_no_keys_given_twice():
    text = "a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: &c [*c]\nd: *a\n"
    tree = parse_yaml(text, "here", None)
    assert (tree["b"], tree["d"]) == ({"x": 2}, {"x": 1})


TERMS = "objective=[{name: soft-bce, weight: 3}, {name: soft-dice}]"


def test_a_setting_reaches_into_a_list(load):
    experiment = load(TERMS, "objective.0.weight=2", "evaluation.metrics.0={name: overlap}")
    assert [(term.name, term.weight) for term in experiment.terms] == [("soft-bce", 2), ("soft-dice", 1)]
    assert list(load("evaluation.metrics.0=overlap").metrics) == ["overlap"]


def test_an_objective_alone_is_the_first_of_its_list(load):
    (term,) = load("objective.0.weight=2").terms
    assert (term.name, term.weight) == ("soft-bce", 2)


@pytest.mark.parametrize(
    ("settings", "path", "message"),
    [
        ((TERMS, "objective.2.weight=2"), "objective.2", "objective has 2 entries, 0 to 1"),
        ((TERMS, "objective.-1.weight=2"), "objective.-1", "objective has 2 entries, 0 to 1"),
        ((TERMS, "objective.weight=2"), "objective.weight", "objective has 2 entries, 0 to 1"),
        (("evaluation.metrics.1=dice",), "evaluation.metrics.1", "evaluation.metrics has 1 entry, number 0"),
        (("evaluation.metrics=[]", "evaluation.metrics.0=a"), "evaluation.metrics.0", "has no entries"),
        (("training.epochs.most=3",), "training.epochs.most", "training.epochs is 3 and holds nothing to set"),
        (("teacher.name.x=3",), "teacher.name.x", "teacher.name is 'brightness' and holds nothing to set"),
    ],
)
def test_a_setting_of_a_place_that_is_not_there_is_refused(load, problems, settings, path, message):
    assert message in problems(lambda: load(*settings))[path]


def test_a_section_that_is_null_is_begun_by_a_setting(load):
    assert load("trainer=null", "trainer.devices=2").recipe.trainer.devices == 2


def test_aliases_that_stand_for_billions_of_values_are_refused(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    file = tmp_path / "recipe.yaml"
    file.write_text("\n".join([*lines, "controls: *a11"]))
    with pytest.raises(RecipeError, match="its aliases stand for more than 100000 values"):
        read_yaml(file)
