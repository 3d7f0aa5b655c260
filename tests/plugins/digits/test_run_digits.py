"""From nothing to scores: the student has seen no digit, and reads them better than the control."""

import json
import re
from pathlib import Path

import pytest

import kdkit
from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import RunFolder
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages

PACKAGE = Path(__file__).parents[3] / "examples" / "digits" / "kdkit_digits"
STROKES = ("samples.train=1000", "samples.validation=50", "training.epochs=8", "training.batch_size=32")
# On a busy machine, measuring would otherwise seem to be worth processes, each of which imports everything anew.
ALONE = ("trainer.workers=1",)
ADVERSARY = (
    "generator={name: adversarial, shape: [8, 8], distance: kl}",
    "objective.temperature=1",
    "samples.train=12800",
    "training.epochs=16",
)


@pytest.mark.parametrize("settings", [STROKES, pytest.param(ADVERSARY, marks=pytest.mark.slow)])
def test_the_student_beats_the_control(tmp_path, settings):
    experiment = load_experiment(discover({}), "digits", settings=[*settings, *ALONE])
    run_stages(Run(experiment, RunFolder(tmp_path / "run"), tmp_path / "store", Silence()))
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    teacher, student, control = (scores[model]["accuracy"] for model in ("teacher", "student", "control"))
    assert teacher["value"] > 0.98
    assert student["n"] == 899
    assert student["value"] > 0.9
    assert student["ci_low"] > control["ci_high"]


def test_only_public_names_are_used():
    imported = [
        (path.name, module, name.strip())
        for path in PACKAGE.glob("*.py")
        for module, names in re.findall(r"^\s*from (kdkit[\w.]*) import (.+)$", path.read_text(), re.MULTILINE)
        for name in names.split(",")
        if not module.startswith("kdkit_digits")
    ]
    assert imported
    assert [use for use in imported if use[1] != "kdkit" or use[2] not in kdkit.__all__] == []


def test_a_label_becomes_a_target_and_strokes_have_none():
    from kdkit_digits.domain import Digits
    from kdkit_digits.real import HeldOut
    from kdkit_digits.strokes import Strokes

    (digit,), (stroke,) = HeldOut().generate([5]), Strokes().generate([0])
    target = Digits().target_from_truth(digit)
    assert target.tolist() == [float(i == int(digit.truth["label"])) for i in range(10)]
    assert Digits().target_from_truth(stroke) is None
