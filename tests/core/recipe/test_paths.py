"""Paths in recipes: expanded, relative to the file that holds them, absolute once read, and checked."""

import json
import pickle
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import ValidationError

import kdkit
from kdkit import ComponentOptions, InputFile, InputFolder, InputPath, TeacherChoice
from kdkit.errors import RecipeError
from kdkit.plugins.registry import discover
from kdkit.recipe.load import default_tree, load_experiment
from kdkit.recipe.merge import parse_yaml
from kdkit.recipe.paths import RecipeText
from kdkit.recipe.show import commented_yaml

FOLDER = "generator.name=folder"
TEACHER = ("teacher.name=torchvision", "teacher.model=resnet18")


class Options(ComponentOptions):
    file: InputFile | None = None
    folder: InputFolder | None = None
    either: InputPath | None = None


@pytest.fixture
def inputs(tmp_path):
    """A folder ``data`` with a file in a folder ``clips``."""
    clips = tmp_path / "data" / "clips"
    clips.mkdir(parents=True)
    (clips / "weights.pt").write_bytes(b"")
    return tmp_path / "data"


@pytest.fixture
def config(toy, inputs):
    """Write a recipe beside the inputs; returns its path."""

    def write(text):
        path = inputs / "mine.yaml"
        path.write_text(text)
        return path

    return write


def refusal(**options):
    with pytest.raises(ValidationError) as caught:
        Options(**options)
    (fault,) = caught.value.errors()
    return fault["msg"]


def test_a_path_in_a_file_begins_at_that_file(config, inputs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path = config(
        "generator: {name: folder, path: clips}\nteacher: {name: torchvision, model: a, weights: clips/weights.pt}\n"
    )
    experiment = load_experiment(discover({}), "toy", path.relative_to(tmp_path))
    assert experiment.generator.options.path == inputs / "clips"
    assert experiment.teacher.options.weights == inputs / "clips" / "weights.pt"


def test_a_path_in_a_setting_begins_at_the_current_folder(toy, config, inputs, monkeypatch, tmp_path):
    monkeypatch.chdir(inputs)
    experiment = load_experiment(discover({}), "toy", config("seed: 1"), [FOLDER, "generator.path=clips"])
    assert experiment.generator.options.path == inputs / "clips"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=f"generator.path  {tmp_path}/clips does not exist"):
        load_experiment(discover({}), "toy", config("seed: 1"), [FOLDER, "generator.path=clips"])


def test_a_path_from_python_begins_at_the_current_folder(inputs, monkeypatch):
    monkeypatch.chdir(inputs)
    assert Options(folder="clips").folder == Options(folder=Path("clips")).folder == inputs / "clips"
    assert Options(file="clips/../clips/weights.pt").file == inputs / "clips" / "weights.pt"


def test_a_path_in_a_packaged_recipe_begins_at_its_file(inputs, monkeypatch, tmp_path):
    class Packaged(kdkit.Domain):
        """A domain."""

        @classmethod
        def recipe_file(cls):
            return inputs / "recipe.yaml"

    (inputs / "recipe.yaml").write_text("folder: clips\n")
    monkeypatch.chdir(tmp_path)
    assert Options(**default_tree(Packaged, "x")).folder == inputs / "clips"

    class Text(kdkit.Domain):
        """A domain that carries its recipe."""

        recipe = f"file: {Path(__file__).name}\n"

    assert Options(**default_tree(Text, "x")).file == Path(__file__)


def test_a_path_of_a_component_among_the_options_begins_at_the_file(config, inputs, monkeypatch, tmp_path):
    class Several(ComponentOptions):
        members: tuple[TeacherChoice, ...]

    text = "members: [{name: torchvision, model: resnet18, weights: clips/weights.pt}]"
    options = Several.model_validate(parse_yaml(text, "here", inputs), context={"registry": discover({})})
    assert options.model_dump(mode="json")["members"][0]["weights"] == str(inputs / "clips" / "weights.pt")


def test_home_and_variables_are_expanded_anywhere(inputs, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PART", "clips")
    monkeypatch.setenv("ROOT", str(inputs))
    for text in ("~/data/clips", "~/data/$PART", "~/data/${PART}", "~/data/cl${NOTHING_MORE}ips", "$ROOT/${PART}/"):
        monkeypatch.setenv("NOTHING_MORE", "")
        if "NOTHING" in text:
            assert refusal(folder=text).startswith("${NOTHING_MORE} is not set")
        else:
            assert Options(folder=text).folder == inputs / "clips"
    monkeypatch.setenv("PART", "ip")
    assert Options(folder="$ROOT/cl${PART}s").folder == inputs / "clips"
    assert Options(folder=RecipeText("cl${PART}s", inputs)).folder == inputs / "clips"


def test_a_relative_value_of_a_variable_begins_at_the_current_folder(inputs, monkeypatch, tmp_path):
    monkeypatch.setenv("CLIPS", "data/clips")
    monkeypatch.chdir(tmp_path)
    assert Options(folder=RecipeText("$CLIPS", inputs / "elsewhere")).folder == inputs / "clips"


def test_what_is_written_as_a_path_in_python_is_taken_literally(tmp_path):
    odd = tmp_path / "$PRICE"
    odd.mkdir()
    assert Options(folder=odd).folder == odd


def test_what_is_wrong_is_said_in_one_line(inputs, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    clips, file = inputs / "clips", inputs / "clips" / "weights.pt"
    assert refusal(folder=f"{clips}/none") == f"{clips}/none does not exist"
    assert refusal(either=f"{clips}/none") == f"{clips}/none does not exist"
    assert refusal(file=clips) == f"{clips} is not a file"
    assert refusal(folder=str(file)) == f"{file} is not a folder"
    assert Options(either=file).either == file and Options(either=str(clips)).either == clips
    assert refusal(file="a/$NOWHERE/b") == "$NOWHERE is not set; export NOWHERE=/path, or write the path here"
    for name in ("~nobody-of-this-name/x", "a" * 300, "a\0b"):
        assert refusal(file=name).endswith("does not exist")
    assert "path" in refusal(file=3)


def test_a_variable_that_is_not_set_comes_with_what_it_is_to_hold(toy, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(RecipeError) as caught:
        load_experiment(discover({}), "toy", None, [*TEACHER, "teacher.weights=$NOWHERE/a.pt"])
    (problem,) = caught.value.problems
    assert problem.path == "teacher.weights"
    assert problem.message == (
        "$NOWHERE is not set; export NOWHERE=/path, or write the path here: "
        "Weights file: safetensors, or a torch state dict"
    )


def test_a_path_or_a_component_is_one_fault(toy):
    class Either(ComponentOptions):
        embedding: InputFile | TeacherChoice

    from kdkit.recipe.faults import validate

    problems, missing = [], []
    assert validate(Either, {"embedding": "/none.pt"}, "x", problems) is None
    assert [(p.path, p.message) for p in problems] == [("x.embedding", "/none.pt does not exist")]
    assert validate(Either, {"embedding": "/none.pt"}, "x", [], missing=missing).embedding == Path("/none.pt")
    assert missing == problems


def test_a_shown_recipe_means_the_same_elsewhere(config, inputs, tmp_path):
    text = "generator: {name: folder, path: clips, kind: images}\n"
    experiment = load_experiment(discover({}), "toy", config(text))
    copy = tmp_path / "copy.yaml"
    copy.write_text(commented_yaml(experiment))
    assert f"path: {inputs}/clips" in copy.read_text()
    again = load_experiment(discover({}), "toy", copy)
    assert again.identity() == experiment.identity()
    (inputs / "clips").rename(inputs / "moved")
    missing = []
    shown = commented_yaml(load_experiment(discover({}), "toy", config(text), (), missing), missing)
    assert f"  # note: {inputs}/clips does not exist\n  path: {inputs}/clips\n" in shown


def test_a_recipe_with_a_variable_that_is_not_set_is_shown_as_it_is_written(cli, config, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    path = config("generator: {name: folder, path: $NOWHERE/clips}\n")
    result = cli("config", "show", "toy", "--config", path)
    assert result.code == 0
    assert "  path: $NOWHERE/clips\n" in result.out and "# note: $NOWHERE is not set" in result.out


def test_missing_paths_of_a_component_among_the_options_are_shown(cli, toy):
    member = "{name: torchvision, model: resnet18, weights: /none.pt}"
    settings = ["--set", "teacher.name=ensemble", "--set", f"teacher.members=[{member}, {{name: brightness}}]"]
    unresolved = cli("config", "show", "toy", *settings)
    assert unresolved.code == 2 and unresolved.err.count("/none.pt does not exist") == 1
    settings += ["--set", "teacher.activation=sigmoid"]
    result = cli("config", "show", "toy", *settings)
    assert result.code == 0, result.err
    assert "note: teacher.members.0.weights: /none.pt does not exist" in result.out
    assert cli("run", "toy", *settings).code == 2


class Plain(ComponentOptions):
    text: str
    word: Literal["a"]
    anything: Any
    table: dict[str, Any]
    several: tuple[str, ...]


def test_texts_of_a_file_are_plain_for_everything_else(tmp_path):
    tree = parse_yaml("{text: x, word: a, anything: y, table: {k: [z]}, several: [w]}", "here", tmp_path)
    assert {type(key) for key in tree} == {str}
    plain = {"text": "x", "word": "a", "anything": "y", "table": {"k": ["z"]}, "several": ["w"]}
    assert tree == plain
    assert yaml.safe_load(yaml.safe_dump(tree)) == plain
    assert json.loads(json.dumps(tree)) == plain
    options = Plain(**tree)
    assert {type(options.text), type(options.word), type(options.several[0])} == {str}
    dumped = options.model_dump(mode="json")
    assert {type(dumped["anything"]), type(dumped["table"]["k"][0])} == {str}
    assert type(pickle.loads(pickle.dumps(options)).anything) is str
    assert repr(tree["text"]) == "'x'"


def test_a_resolved_recipe_holds_plain_values(config):
    path = config("teacher: {name: brightness, threshold: 0.4}\nevaluation: {metrics: [overlap]}\n")
    values = [load_experiment(discover({}), "toy", path).resolved_tree()]
    while values:
        value = values.pop()
        assert type(value) in (dict, list, str, int, float, bool, type(None))
        values.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())


def test_path_types_say_what_they_are(cli):
    assert "path of a folder" in cli("plugins", "info", "folder").out
    assert "path of a file" in cli("plugins", "info", "torchvision").out
