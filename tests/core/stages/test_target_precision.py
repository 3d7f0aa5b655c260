"""A run with a precision of auto keeps the one that it has once chosen."""

import re

import numpy as np
import pytest

from kdkit.engine import precision as probing
from kdkit.engine import training_precision as training_probing
from kdkit.engine.precision import PrecisionChoice, Trial
from kdkit.progress import Silence
from kdkit.stages.pipeline import STAGE_NAMES, run_stages
from kdkit.store.targets import NAME

SMALL = ("samples.train=6", "samples.validation=2", "samples.evaluation=3", "training.epochs=1", "controls=[]")
AUTO = ("trainer.precision=auto", *SMALL)


@pytest.fixture(autouse=True)
def _full_training(monkeypatch):
    """The training's own measurement, of which other tests are, comes to float32."""
    full = PrecisionChoice("32-true", reason="for these tests")
    monkeypatch.setattr(training_probing, "choose_training_precision", lambda *_arguments: full)


@pytest.fixture
def chosen(monkeypatch):
    """Call with a precision: the probe comes to it from now on; with None: it must not run."""

    def choose(precision):
        def probe(*_arguments):
            assert precision is not None, "it was chosen before"
            return PrecisionChoice(precision, [Trial("bf16-mixed", 1.0, 2.0, 1.0)], 3, "cpu")

        monkeypatch.setattr(probing, "choose_precision", probe)

    return choose


def targets(run):
    split = run.evaluation.split
    return np.stack([run.evaluation.targets.read(index, NAME) for index in split.indices])


def test_a_whole_run_labels_in_the_chosen_precision_and_trains_in_full(toy, prepare, chosen):
    chosen("bf16-mixed")
    run = prepare(*AUTO)
    assert run_stages(run) == STAGE_NAMES
    record = run.folder.manifest()["precision"]
    assert record["chosen"] == "bf16-mixed"
    assert record["trials"] == [
        {"precision": "bf16-mixed", "seconds": 1.0, "full_seconds": 2.0, "agreement": 1.0, "error": ""}
    ]
    named = prepare("trainer.precision=bf16-mixed", *SMALL)
    assert named.evaluation.fingerprint == run.evaluation.fingerprint
    full = prepare("trainer.precision=32-true", *SMALL)
    assert full.evaluation.fingerprint != run.evaluation.fingerprint
    run_stages(full, last="label")
    np.testing.assert_allclose(targets(run).astype(int), targets(full), atol=3)
    assert named.arms[0].fingerprint != run.arms[0].fingerprint  # that one is trained in bfloat16, too
    chosen(None)
    assert run_stages(prepare(*AUTO)) == []


def test_a_run_that_was_cut_off_goes_on_in_the_precision_of_its_manifest(toy, prepare, chosen):
    chosen("bf16-mixed")
    run = prepare(*AUTO)
    run_stages(run, last="label")
    fingerprint = run.evaluation.fingerprint
    for shard in run.arms[0].training.targets.folder.iterdir():
        shard.unlink()
    run_stages(prepare("trainer.precision=32-true", *SMALL), last="label")  # others lie in the store, too
    chosen(None)
    again = prepare(*AUTO)
    assert run_stages(again, last="label") == ["label"]
    assert again.evaluation.fingerprint == fingerprint


@pytest.mark.parametrize("precision", ["32-true", "bf16-true", "bf16-mixed"])
@pytest.mark.parametrize("part", ["whole", "partly"])
def test_without_a_choice_written_down_that_of_the_store_is_taken(toy, prepare, chosen, precision, part):
    first = prepare(f"trainer.precision={precision}", *SMALL)
    run_stages(first, last="label")
    if part == "partly":
        for shard in first.evaluation.targets.folder.glob("*"):
            if not shard.name.startswith("00000000"):
                shard.unlink()
    chosen(None)
    run = prepare(*AUTO)
    run_stages(run, last="label")
    assert run.folder.manifest()["precision"]["chosen"] == precision


def test_a_run_that_finds_all_targets_keeps_to_them_when_others_come(toy, prepare, chosen):
    run_stages(prepare("trainer.precision=bf16-mixed", *SMALL), last="label")
    chosen(None)
    run = prepare(*AUTO)
    run_stages(run, last="label")
    run_stages(prepare("trainer.precision=32-true", *SMALL), last="label")
    again = prepare(*AUTO)
    assert run_stages(again, last="label") == []
    assert again.target_precision == "bf16-mixed"


def test_the_real_probe_chooses_in_a_run(toy, prepare):
    run = prepare(*AUTO)
    assert run_stages(run, last="label")[-1] == "label"
    record = run.folder.manifest()["precision"]
    assert record["chosen"] in ("32-true", "bf16-true", "bf16-mixed")
    assert record["chosen"] == run.target_precision


class Heard(Silence):
    def __init__(self):
        self.texts = []

    def say(self, stage, what, text):
        if stage == "precision":
            self.texts.append(text)


def heard(run):
    run.progress = Heard()
    run_stages(run, last="label")
    return run.progress.texts


def test_what_was_chosen_is_told_with_the_reason(toy, prepare, chosen):
    chosen("bf16-mixed")
    run = prepare(*AUTO)
    (text,) = heard(run)
    assert text == "labels in bf16-mixed: bf16-mixed is 2.00 times as fast as float32 and decides 100 % alike"
    for shard in run.arms[0].training.targets.folder.iterdir():
        shard.unlink()
    assert heard(prepare(*AUTO)) == ["labels in bf16-mixed: chosen before, by the manifest"]


def test_a_choice_by_what_lies_in_the_store_is_told_with_the_reason(toy, prepare, chosen):
    run_stages(prepare("trainer.precision=bf16-mixed", *SMALL), last="label")
    chosen(None)
    run = prepare(*AUTO)
    (text,) = heard(run)
    assert text == f"labels in bf16-mixed: {run.folder.manifest()['precision']['reason']}"
    assert "in the store" in text


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        (PrecisionChoice("32-true", reason="values hold no decision"), "values hold no decision"),
        (PrecisionChoice("32-true", [Trial("bf16-mixed", error="no such kernel")]), "does not run in bf16-mixed"),
        (PrecisionChoice("32-true", [Trial("bf16-mixed", 1.0, 1.5, 0.99899)]), "1.50 times as fast .* 99.89 % alike"),
    ],
    ids=["unmeasured", "broken", "unlike"],
)
def test_every_choice_has_a_reason(choice, reason):
    assert re.search(reason, choice.why())
