"""Recipes: defaults, a file, single settings; every fault at once, with its place and what would be right."""

import pytest
import yaml

from kdkit.errors import RecipeError, UsageError
from kdkit.plugins.registry import discover
from kdkit.recipe.load import load_experiment
from kdkit.recipe.show import commented_yaml


@pytest.fixture
def load(toy):
    def load(*settings, config=None):
        return load_experiment(discover({}), "toy", config, settings)

    return load


@pytest.fixture
def recipe(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def problems(call):
    """{path: message} of the faults that are found."""
    with pytest.raises(RecipeError) as caught:
        call()
    assert caught.value.exit_code == 2
    found = {problem.path: problem.message for problem in caught.value.problems}
    assert len(found) == len(caught.value.problems), "a place is told twice"
    for path, message in found.items():
        assert path in str(caught.value) and message in str(caught.value)
    return found


def test_every_fault_is_told_at_once_with_its_place_and_what_would_be_right(load, recipe):
    path = recipe(
        """
        sead: 3
        teacher: {name: brightnes}
        generator: {name: discs, sizee: 12, frames: zero}
        samples: {train: 0}
        training: {learning-rate: 1, schedule: fast}
        evaluation: {metrics: [overlapp, {name: 3}], generator: {name: nois}}
        control: {generatorr: 1}
        trainer: {devices: {a: 1}}
        """
    )
    found = problems(lambda: load(config=path))
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
        "control.generatorr": "did you mean generator?",
        "trainer.devices": "found {'a': 1}, expected",
    }
    for place, message in expected.items():
        assert message in found[place], place
    assert "evaluation.metrics.1.name" in found


def test_the_message_says_how_many_faults_are_where(load, recipe):
    path = recipe("seed: x\nsamples: {train: 0}\n")
    with pytest.raises(RecipeError, match=r"^2 problems in .*mine\.yaml\n"):
        load(config=path)
    with pytest.raises(RecipeError, match=r"^1 problem in .*mine\.yaml and --set\n"):
        load("seed=x", config=recipe("{}"))


def test_faults_of_components_are_told_beside_each_other(load):
    found = problems(lambda: load("generator.size=2", "teacher.threshold=3", "objective.name=kll", "student.gain=a"))
    assert set(found) == {"generator.size", "teacher.threshold", "objective", "student.gain"}
    assert "kdkit plugins info brightness" in found["teacher.threshold"]


def test_an_option_of_a_component_that_has_none_is_not_compared_with_anything(load):
    found = problems(lambda: load("objective.temperature=2"))
    assert found["objective.temperature"].startswith("unknown option; there are none here")


def test_a_component_given_as_plain_text_is_told_how_to_write_it(load):
    assert "{name: constant}" in problems(lambda: load("teacher=constant"))["teacher"]


def test_a_missing_section_is_named(load):
    assert problems(lambda: load("samples=null")) == {"samples": "found None, expected a mapping of options"}
    assert problems(lambda: load("evaluation.generator={size: 8}")) == {"evaluation.generator.name": "missing"}


def test_a_metric_listed_twice_is_refused(load):
    found = problems(lambda: load("evaluation.metrics=[overlap, {name: overlap}]"))
    assert found == {"evaluation.metrics.1": "overlap is listed twice"}


def test_numbers_that_are_no_numbers_are_refused(load):
    assert set(problems(lambda: load("training.learning_rate=.nan", "student.gain=.inf"))) == {
        "training.learning_rate",
        "student.gain",
    }


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
def test_a_setting_of_another_form_says_which(load, setting):
    assert problems(lambda: load(setting)) == {setting: "expected path.to.key=value"}


def test_a_setting_may_hold_an_equals_sign_and_any_yaml(load):
    found = problems(lambda: load("seed=a=b", "trainer.precision=x: [", "samples.train="))
    assert "'a=b'" in found["seed"]
    assert "None" in found["samples.train"]


def test_a_setting_cannot_change_the_domain_behind_the_commands_back(load):
    assert "but the command asks for 'toy'" in problems(lambda: load("domain=echocardio"))["domain"]


def test_options_of_a_replaced_component_do_not_leak_into_the_new_one(load, recipe):
    path = recipe("teacher: {name: brightness, threshold: 0.7}")
    assert load(config=path).teacher.options.threshold == 0.7
    assert not load("teacher.name=constant", config=path).teacher.options.model_dump()
    # An option of the same component is kept beside the one that is set.
    kept = load("teacher.weights=w.bin", config=path).teacher.options
    assert (kept.threshold, str(kept.weights)) == (0.7, "w.bin")


@pytest.mark.parametrize("order", [1, -1])
def test_a_new_component_and_its_options_may_be_set_in_any_order(load, order):
    settings = ["generator.name=noise", "generator.shape=[4, 16, 16]"]
    experiment = load(*settings[::order])
    assert experiment.generator.options.shape == (4, 16, 16)


def test_a_precision_may_be_given_as_a_number(load):
    assert load("trainer.precision=16").recipe.trainer.precision == "16"


def test_an_unknown_domain_suggests_the_nearest(toy):
    with pytest.raises(UsageError, match=r"no domain called 'toys'; did you mean toy\?"):
        load_experiment(discover({}), "toys")


def test_the_shown_recipe_is_a_recipe_for_the_same_run(load, recipe):
    settings = ("teacher.threshold=0.4", "evaluation.generator={name: discs, size: 12}", "samples.train=8")
    shown = load(*settings)
    again = load(config=recipe(commented_yaml(shown)))
    assert again.identity() == shown.identity()
    same = {path: component.fingerprint() for path, component in shown.components().items()}
    assert {path: component.fingerprint() for path, component in again.components().items()} == same
    assert again.recipe.trainer == shown.recipe.trainer


def test_the_shown_recipe_says_what_each_option_means(cli, toy):
    finished = cli("config", "show", "toy", "--set", "teacher.threshold=0.25")
    assert finished.code == 0
    lines = finished.out.splitlines()
    assert lines[lines.index("  threshold: 0.25") - 1] == "  # Share of full brightness."
    assert lines[lines.index("  learning_rate: 0.3") - 1] == "  # Peak learning rate of the optimiser."


ABSENT = (
    "--set",
    "generator={name: folder, path: /no/clips, pattern: a*}",
    "--set",
    "teacher={name: torchvision, model: resnet18, weights: /no/weights.pt}",
)


def test_a_recipe_is_shown_where_its_files_are_not(cli, toy, recipe):
    finished = cli("config", "show", "toy", *ABSENT)
    assert finished.code == 0
    lines = finished.out.splitlines()
    for path, note in [("path: /no/clips", "/no/clips"), ("weights: /no/weights.pt", "/no/weights.pt")]:
        assert lines[lines.index(f"  {path}") - 1] == f"  # note: {note} does not exist"
    assert "  pattern: a*" in lines
    with pytest.raises(RecipeError) as caught:
        load_experiment(discover({}), "toy", recipe(finished.out))
    assert [problem.path for problem in caught.value.problems] == ["generator.path", "teacher.weights"]


def test_other_faults_are_not_shown_away_with_absent_files(cli, toy):
    finished = cli("config", "show", "toy", *ABSENT, "--set", "generator.patern=b*", "--set", "student.gain=x")
    assert finished.code == 2
    assert "generator.path " in finished.err
    assert "generator.patern" in finished.err
    assert "student.gain" in finished.err


def test_a_run_is_the_same_whatever_it_runs_on_and_another_for_another_seed(load):
    assert load("trainer.workers=2", "trainer.devices=2").identity() == load().identity()
    assert load("generator.size=16").identity() == load().identity()  # the default, said aloud
    others = {load(setting).identity() for setting in ("seed=1", "teacher.threshold=0.1", "samples.train=9")}
    assert len(others | {load().identity()}) == 4


AWKWARD = '''
from pathlib import Path
from kdkit import ComponentOptions, Entry, Field, Objective, hookimpl

class Awkward(Objective):
    """Options of every awkward kind."""

    class Options(ComponentOptions):
        text: str = Field("two\\nlines: [", description="First line.\\nSecond line: {")
        colon: str = Field("a: b # c", description="")
        number_like: str = Field("1e3")
        yes: str = Field("yes", description="A word that YAML takes for a truth.")
        dots: str = Field("...", description="Dots.")
        nothing: str | None = Field(None, description="Nothing.")
        table: dict[str, dict[str, float]] = Field({"on": {"1.5": 1e-7}, "x": {}}, description="A table of tables.")
        empty: dict[str, int] = Field({}, description="An empty table.")
        path: Path = Field(Path("a b/ü.pt"), description="A path.")
        several: tuple[str, ...] = Field(("null", "ü"), description="Several words.")

    def loss(self, logits, targets):
        return ((logits - targets) ** 2).mean()

@hookimpl
def kdkit_objectives():
    return [Entry("awkward", "Awkward", "awkward_hooks:Awkward")]
'''


def test_options_of_every_kind_survive_being_shown(load, recipe, tmp_path, monkeypatch):
    info = tmp_path / "kdkit_awkward-1.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[kdkit]\nawkward = awkward_hooks\n")
    (tmp_path / "awkward_hooks.py").write_text(AWKWARD)
    monkeypatch.syspath_prepend(str(tmp_path))
    shown = load("objective.name=awkward")
    text = commented_yaml(shown)
    assert yaml.safe_load(text) == shown.resolved_tree()
    assert load(config=recipe(text)).identity() == shown.identity()
    assert "  # First line.\n  # Second line: {\n" in text
