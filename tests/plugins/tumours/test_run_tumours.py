"""From ranges to scores: the student has seen no row, and judges real ones as its teacher does."""

import json

from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import RunFolder
from kdkit.runs.run import Run
from kdkit.stages.pipeline import run_stages

SHORT = (
    *("samples.train=1000", "samples.validation=50", "training.epochs=5", "training.batch_size=50"),
    # On a busy machine, measuring would otherwise seem to be worth processes, each of which imports everything anew.
    "trainer.workers=1",
)


def test_the_student_agrees_with_the_teacher_on_real_rows_and_the_control_does_not(tmp_path):
    experiment = load_experiment(discover({}), "tumours", settings=SHORT)
    run_stages(Run(experiment, RunFolder(tmp_path / "run"), tmp_path / "store", Silence()))
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    student = scores["student"]["teacher-kappa"]
    assert student["n"] == 284
    assert student["value"] > 0.7
    assert scores["differences"]["student-control"]["teacher-kappa"]["ci_low"] > 0.2
    assert scores["student"]["tumours-auc"]["value"] > 0.95
