"""A resolved recipe as YAML."""

import pytest
import yaml

from kdkit.errors import RecipeError
from kdkit.plugins.registry import discover
from kdkit.recipe.load import load_experiment
from kdkit.recipe.show import commented_yaml


def test_the_shown_recipe_is_a_recipe_for_the_same_run(load, recipe):
    settings = ("teacher.threshold=0.4", "evaluation.generator={name: discs, size: 12}", "samples.train=8")
    shown = load(*settings)
    again = load(config=recipe(commented_yaml(shown)))
    assert again.identity() == shown.identity()
    same = {path: component.fingerprint() for path, component in shown.components().items()}
    assert {path: component.fingerprint() for path, component in again.components().items()} == same
    assert again.recipe.trainer == shown.recipe.trainer


def test_the_shown_recipe_says_what_each_option_means(cli, toy):
    result = cli("config", "show", "toy", "--set", "teacher.threshold=0.25")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[lines.index("  threshold: 0.25") - 1] == "  # Share of full brightness."
    assert lines[lines.index("  learning_rate: 0.3") - 1] == "  # Peak learning rate of the optimiser."


ABSENT = (
    "--set",
    "generator={name: folder, path: /no/clips, pattern: a*}",
    "--set",
    "teacher={name: torchvision, model: resnet18, weights: /no/weights.pt}",
)


def test_a_recipe_is_shown_where_its_files_are_not(cli, toy, recipe):
    result = cli("config", "show", "toy", *ABSENT)
    assert result.code == 0
    lines = result.out.splitlines()
    for path, note in [("path: /no/clips", "/no/clips"), ("weights: /no/weights.pt", "/no/weights.pt")]:
        assert lines[lines.index(f"  {path}") - 1] == f"  # note: {note} does not exist"
    assert "  pattern: a*" in lines
    with pytest.raises(RecipeError) as caught:
        load_experiment(discover({}), "toy", recipe(result.out))
    assert [problem.path for problem in caught.value.problems] == ["generator.path", "teacher.weights"]


def test_other_faults_are_not_shown_away_with_absent_files(cli, toy):
    result = cli("config", "show", "toy", *ABSENT, "--set", "generator.patern=b*", "--set", "student.gain=x")
    assert result.code == 2
    assert "generator.path " in result.err
    assert "generator.patern" in result.err
    assert "student.gain" in result.err


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
