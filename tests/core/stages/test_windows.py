"""Windows of samples whose targets are shorter than their inputs, from the recipe to the batches of a training."""

import sys
from pathlib import Path

import numpy as np
import pytest

from kdkit.errors import DataError, RecipeError
from kdkit.plugins.registry import discover
from kdkit.plugins.single_file import load_domain_file
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import RunFolder
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages


@pytest.fixture
def prepare_sounds(home, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    registry = discover({})
    load_domain_file(registry, Path(__file__).with_name("sound_domain.py"))

    def prepare(*settings):
        experiment = load_experiment(registry, "sounds", None, settings)
        return Run(experiment, RunFolder(home / "run"), home / "store", Silence())

    return prepare


@pytest.mark.parametrize(("window", "targets"), [("256", 4), ("null", 20)])
def test_a_student_is_trained_on_windows_and_their_targets(prepare_sounds, window, targets):
    from kdkit.engine.windows import Windows

    run = prepare_sounds(f"training.window={window}")
    assert "distill" in run_stages(run, last="distill")
    part = run.arms[0].training
    inputs, target = Windows(part, "sigmoid", run.experiment.window_cut, seed=0)[0, 1]
    assert tuple(target.shape) == (targets,) and len(inputs) == targets * 64
    # The teacher is a function of 64 values alone: asked about the window, it says what was cut.
    logits = run.experiment.teacher.build()(inputs[None])[0]
    np.testing.assert_allclose(target, logits.sigmoid(), atol=1 / 255)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["training.window=1344"], r"(?s)samples of bursts are 1280 long.*or to 1280 or less"),
        (["training.window=64", "generator.length=50"], r"(?s)are 50 long.*Set training.window=null"),
        (["student.padding=64"], r"inputs \(1280,\) and targets \(22,\) do not go together as the domain says"),
        (["student.padding=32"], r"a window of \(256,\) the student strided gives logits \(5,\).* is \(4,\)"),
    ],
)
def test_what_cannot_be_cut_is_refused_before_anything_is_made(prepare_sounds, settings, message):
    run = prepare_sounds(*settings)
    with pytest.raises(DataError, match=message):
        run_stages(run)
    assert not run.root.exists() and not run.folder.path.exists()


@pytest.mark.parametrize(
    ("aligned", "window", "message"),
    [
        (True, "100", "100: 100 is no multiple of 64"),
        (True, "[64, 64]", "it cuts 2 axes, and the domain aligns 1"),
        (False, "64", "expected null: the domain sounds does not say which axes"),
    ],
)
def test_a_window_that_its_domain_cannot_cut_is_refused(prepare_sounds, monkeypatch, aligned, window, message):
    if not aligned:
        monkeypatch.setattr(sys.modules["sound_domain"].Sounds, "aligned_axes", ())
    with pytest.raises(RecipeError) as error:
        prepare_sounds(f"training.window={window}")
    (problem,) = error.value.problems
    assert problem.path == "training.window" and message in problem.message
