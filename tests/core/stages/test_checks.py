"""What would stop a later stage is refused before anything is made."""

import numpy as np
import pytest

from kdkit.errors import DataError, UsageError
from kdkit.sample import Sample
from kdkit.stages import generate
from kdkit.stages.pipeline import run_stages

SMALL = ("samples.train=6", "samples.validation=2", "samples.evaluation=3", "training.epochs=1", "controls=[]")


def assert_nothing_is_made(run):
    assert not run.root.exists() and not run.folder.path.exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["trainer.strategy=ddpp"], "strategy=ddpp"),
        (["trainer.accelerator=tpu"], "accelerator=tpu"),
        (["trainer.accelerator=cpu", "trainer.precision=transformer-engine"], "precision=transformer-engine"),
    ],
)
def test_hardware_that_is_not_there_is_refused_before_anything_is_made(prepare, settings, message):
    run = prepare(*SMALL, *settings)
    with pytest.raises(UsageError, match=f"this machine cannot run with .*{message}"):
        run_stages(run)
    assert_nothing_is_made(run)


def test_samples_can_be_made_where_the_hardware_for_the_training_is_not(prepare):
    run = prepare(*SMALL, "trainer.strategy=ddpp", "training.window=null")
    assert run_stages(run, last="generate") == ["generate"]


def test_a_window_longer_than_the_samples_is_refused_before_anything_is_made(prepare):
    run = prepare(*SMALL, "training.window=5")
    with pytest.raises(DataError, match=r"(?s)training\.window is 5, but the samples of discs are 4 long.*4 or less"):
        run_stages(run)
    assert_nothing_is_made(run)


def test_the_controls_samples_have_to_be_long_enough_too(prepare):
    run = prepare(*SMALL[:-1], "training.window=3", "controls.0.generator={name: noise, shape: [2, 16, 16]}")
    with pytest.raises(DataError, match=r"the samples of control are 2 long"):
        run_stages(run)
    assert_nothing_is_made(run)


def test_a_window_of_samples_without_an_axis_is_refused(prepare, monkeypatch):
    run = prepare(*SMALL, "training.window=1")
    monkeypatch.setattr(
        type(run.experiment.generator),
        "generate",
        lambda self, indices: (Sample(np.float32(i)[...]) for i in indices),
    )
    with pytest.raises(DataError, match="have no axis 0 to cut"):
        run_stages(run)
    assert_nothing_is_made(run)


def test_stored_samples_are_looked_at_without_drawing_any(prepare, monkeypatch):
    run_stages(prepare(*SMALL), last="generate")
    run = prepare("samples.train=9", *SMALL[1:], "training.window=5")
    monkeypatch.setattr(generate, "_records", lambda *_: pytest.fail("a sample was drawn"))
    with pytest.raises(DataError, match=r"are 4 long"):
        run_stages(run)
