"""A student's card and page: made by the run, valid by their schemas, true to what was measured."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from kdkit.errors import WeightsError
from kdkit.evaluation.estimate import SeedScore
from kdkit.evaluation.numbers import format_score
from kdkit.evaluation.outcome import read_outcome
from kdkit.runs.card import Card, card_schema
from kdkit.runs.student import read_card
from kdkit.stages.pipeline import run_stages

ROOT = Path(__file__).parents[3]
TOY = ROOT / "tests" / "toy"
SCHEMA = ROOT / "docs" / "reference" / "student-card.schema.json"


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, toy_run):
    """A run with its student, its scores and their samples, which no test changes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(TOY))
        run = toy_run(
            tmp_path_factory.mktemp("run"), "samples.train=6", "samples.validation=2", "samples.evaluation=6"
        )
        run_stages(run)
        return run


@pytest.fixture
def run(toy, whole_run):
    return whole_run


@pytest.fixture
def student(whole_run, tmp_path):
    """The student's folder, to be changed."""
    return shutil.copytree(whole_run.folder.path / "student", tmp_path / "student")


def test_the_published_schema_is_that_of_the_cards():
    assert json.loads(SCHEMA.read_text()) == card_schema()


def test_the_page_and_the_card_say_what_the_student_is(run):
    folder = run.folder.path / "student"
    card = json.loads((folder / "card.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(card)
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["library_name"] == "kdkit" and facts["metrics"] == ["overlap"]
    assert {"toy", "pixelwise"} <= set(facts["tags"])
    scores = json.loads(run.folder.scores_file.read_text())
    difference = scores["differences"]["student-teacher"]["overlap"]
    (row,) = (line for line in text.splitlines() if line.startswith("| overlap"))
    assert row.rstrip(" |").endswith(difference["verdict"])
    for model in ("student", "teacher", "control"):
        assert format_score(SeedScore(**scores[model]["overlap"])).line in row
    for part in ("not a medical device", "6 samples of", "`brightness`", "Never tested on", card["inputs"]):
        assert part in text
    lowest = min(row.values["student"] for row in read_outcome(run).samples)
    names = {row.name for row in read_outcome(run).samples if row.values["student"] == lowest}
    assert any(f"`{name}` ({lowest:.3g})" in text for name in names)


def test_the_difference_of_a_bias_is_called_one_of_distances(run):
    from kdkit.export.model_card import model_card

    outcome = read_outcome(run)
    gap = replace(outcome.differences["student-teacher"]["overlap"], value=21.0, quantity="distance from zero")
    card = read_card(run.folder.path / "student")
    changed = replace(outcome, differences={"student-teacher": {"overlap": gap}})
    (row,) = (line for line in model_card(run.experiment, card, changed).splitlines() if line.startswith("| overlap"))
    assert "farther from zero |" in row


def test_texts_of_users_cannot_break_the_table(run, monkeypatch):
    from kdkit.export.model_card import model_card

    card = read_card(run.folder.path / "student") | {"inputs": "a | b\n\nc"}
    text = model_card(run.experiment, card, read_outcome(run))
    assert "| Input | a \\| b c |" in text


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"options": []}, "options"),
        ({"inputs": None}, "inputs"),
        ({"activation": "tanh"}, "activation"),
        ({"components": {}}, "components.student"),
        ({"components": {"student": {"version": "1"}, "domain": {}}}, "components.student.distribution"),
        ({"weights": -1}, "weights"),
    ],
)
def test_a_card_that_is_none_says_where(student, change, place):
    card = json.loads((student / "card.json").read_text())
    (student / "card.json").write_text(json.dumps(card | change))
    with pytest.raises(WeightsError, match=f"is not a student's card: {place}"):
        read_card(student)
    with pytest.raises(ValidationError):
        Card.model_validate(card | change)


@pytest.mark.parametrize(("number", "message"), [(1, "older kdkit"), (3, "newer kdkit")])
def test_a_card_of_another_kdkit_says_so(student, number, message):
    card = json.loads((student / "card.json").read_text())
    (student / "card.json").write_text(json.dumps(card | {"format": number}))
    with pytest.raises(WeightsError, match=message):
        read_card(student)


def test_licences_are_those_of_the_packages():
    from kdkit.plugins.registry import discover
    from kdkit.recipe.load import load_experiment
    from kdkit.runs.licences import licence_of

    experiment = load_experiment(discover(), "echocardio", None, [])
    assert licence_of(experiment.student) == licence_of(experiment.teacher) == "Apache-2.0"


def test_a_teacher_with_a_users_weights_has_no_licence_that_kdkit_knows(toy, tmp_path):
    from kdkit_toy.models import Brightness

    from kdkit.runs.licences import licence_of

    (tmp_path / "mine.pt").write_bytes(b"1")
    assert licence_of(Brightness(Brightness.Options(weights=tmp_path / "mine.pt"))) == ""
