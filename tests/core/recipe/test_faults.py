"""Every fault at once, with its place and what would be right."""

import pytest
from pydantic import Field, ValidationError

from kdkit import Component
from kdkit.errors import RecipeError
from kdkit.recipe.faults import describe_fault
from kdkit.recipe.paths import InputFile


def test_every_fault_is_told_at_once_with_its_place_and_what_would_be_right(load, recipe, problems):
    path = recipe(
        """
        sead: 3
        teacher: {name: brightnes}
        generator: {name: discs, sizee: 12, frames: zero}
        samples: {train: 0}
        training: {learning-rate: 1, schedule: fast}
        evaluation: {metrics: [overlapp, {name: 3}], generator: {name: nois}}
        controls: [{generatorr: 1}]
        trainer: {devices: {a: 1}}
        """
    )
    faults = problems(lambda: load(config=path))
    expected = {
        "sead": "did you mean seed?",
        "teacher": "did you mean brightness?",
        "generator.sizee": "did you mean size?",
        "generator.frames": "found 'zero', expected a valid integer",
        "samples.train": "found 0, expected greater than or equal to 1",
        "training.learning-rate": "did you mean learning_rate?",
        "training.schedule": "found 'fast', expected 'one-cycle' or 'constant'",
        "evaluation.metrics.0": "did you mean overlap?",
        "evaluation.generator": "did you mean noise?",
        "controls.0.generatorr": "did you mean generator?",
        "trainer.devices": "found {'a': 1}, expected",
    }
    for place, message in expected.items():
        assert message in faults[place], place
    assert "evaluation.metrics.1.name" in faults


def test_the_message_says_how_many_faults_are_where(load, recipe):
    path = recipe("seed: x\nsamples: {train: 0}\n")
    with pytest.raises(RecipeError, match=r"^2 problems in .*mine\.yaml\n"):
        load(config=path)
    with pytest.raises(RecipeError, match=r"^2 problems in .*mine\.yaml and --set\n"):
        load("seed=x", config=recipe("samples: {train: 0}"))


def test_only_what_touches_a_fault_is_named_as_its_place(load, recipe):
    with pytest.raises(RecipeError, match=r"^1 problem in --set\n"):
        load("seed=x", config=recipe("{}"))
    with pytest.raises(RecipeError, match=r"^1 problem in .*mine\.yaml\n"):
        load("trainer.workers=1", config=recipe("seed: x"))


def test_an_option_of_a_component_that_has_none_is_not_compared_with_anything(load, problems):
    faults = problems(lambda: load("objective.temperature=2"))
    assert faults["objective.temperature"].startswith("unknown option; there are none here")


def test_a_component_given_as_plain_text_is_told_how_to_write_it(load, problems):
    assert "{name: constant}" in problems(lambda: load("teacher=constant"))["teacher"]


def test_a_missing_section_is_named(load, problems):
    assert problems(lambda: load("samples=null")) == {"samples": "found None, expected a mapping of options"}
    assert problems(lambda: load("evaluation.generator={size: 8}")) == {"evaluation.generator.name": "missing"}


def test_numbers_that_are_no_numbers_are_refused(load, problems):
    assert set(problems(lambda: load("training.learning_rate=.nan", "student.gain=.inf"))) == {
        "training.learning_rate",
        "student.gain",
    }


def test_a_fault_without_a_recipe_says_what_was_expected_and_a_path_keeps_its_own_words():
    class Options(Component.Options):
        count: int = Field(1, ge=1)
        file: InputFile

    def describe(values):
        with pytest.raises(ValidationError) as error:
            Options.model_validate(values)
        return [describe_fault(fault) for fault in error.value.errors(include_url=False)]

    assert describe({"count": 0, "file": __file__}) == ["expected greater than or equal to 1"]
    assert describe({"file": __file__, "cuont": 1}) == ["there is no such option"]
    assert describe({}) == ["missing"]
    assert describe({"file": "$NOBODY_SET_THIS"})[0].startswith("$NOBODY_SET_THIS is not set")
