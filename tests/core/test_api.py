"""kdkit from Python, as in a notebook or a server."""

import subprocess
import sys

import numpy as np
import pytest

import kdkit
from kdkit.errors import UsageError

SMALL = (
    "samples.train=4",
    "samples.validation=1",
    "samples.evaluation=6",
    "training.epochs=1",
    "controls=[]",
    "trainer.workers=1",
)


@pytest.fixture
def result(toy):
    return kdkit.run("toy", settings=SMALL)


def test_importing_it_loads_nothing_heavy():
    code = (
        "import sys, kdkit; kdkit.run, kdkit.load_student; print(sorted({'torch', 'lightning'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_run_gives_its_scores_and_paths(result, toy):
    assert result.stages == ["generate", "label", "distill", "predict", "evaluate", "report"]
    assert result.scores["student"]["overlap"].n == 6
    assert result.differences["student-teacher"]["overlap"].units == 6
    assert result.report.is_file() and result.folder.is_relative_to(toy)
    assert kdkit.run("toy", settings=SMALL).stages == []


def test_a_recipe_may_be_a_mapping(toy):
    recipe = {"training": {"epochs": 1}, "samples": {"train": 4, "validation": 1, "evaluation": 6}, "controls": []}
    result = kdkit.run("toy", recipe, ["trainer.workers=1"], last="generate")
    assert result.folder == kdkit.run("toy", settings=SMALL, last="generate").folder
    with pytest.raises(kdkit.KdkitError, match="1 problem in config"):
        kdkit.run("toy", {"trainings": {}})


def test_a_run_may_stop_early(toy):
    result = kdkit.run("toy", settings=SMALL, last="generate")
    assert (result.stages, result.scores, result.report, result.student) == (["generate"], {}, None, None)


def test_a_student_predicts_batches(result):
    for path in (result.folder, result.student):
        student = kdkit.load_student(path)
        clips = np.random.default_rng(0).integers(0, 256, (3, 4, 8, 8), np.uint8)
        predictions = student.predict(clips)
        assert predictions.shape == clips.shape and predictions.dtype == np.float32
        assert 0 <= predictions.min() <= predictions.max() <= 1
        np.testing.assert_allclose(student.predict(clips[:1]), predictions[:1], atol=1e-2)
        assert student.card["domain"] == "toy" and not student.network.training


def test_an_input_that_does_not_fit_is_a_data_error(result):
    student = kdkit.load_student(result.folder)
    for wrong in (np.zeros(()), np.zeros((0, 4, 8, 8))):
        with pytest.raises(kdkit.DataError, match="batch of inputs"):
            student.predict(wrong)
    student.network.forward = None
    with pytest.raises(kdkit.DataError, match="cannot take inputs"):
        student.predict(np.zeros((1, 4, 8, 8), np.uint8))


def test_a_student_predicts_files(result, tmp_path):
    np.save(tmp_path / "clip.npy", np.zeros((4, 8, 8), np.uint8))
    outcome = kdkit.load_student(result.folder).predict_files([tmp_path / "clip.npy"], tmp_path / "out")
    assert len(outcome.rows) == 1 and (tmp_path / "out" / "summary.csv").is_file()


def test_runs_are_compared(result, toy):
    other = kdkit.run("toy", settings=[*SMALL, "student.gain=2"])
    comparison = kdkit.compare([result.folder, other.folder])
    assert comparison.differences["overlap"][other.folder.name].n == 6
    with pytest.raises(UsageError, match="nothing to compare"):
        kdkit.compare([result.folder])


def test_what_is_no_student_is_refused(toy, tmp_path):
    with pytest.raises(UsageError, match="is a domain"):
        kdkit.load_student("toy")
    with pytest.raises(UsageError, match="holds no student"):
        kdkit.load_student(tmp_path)
