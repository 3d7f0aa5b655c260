"""A student trained against an adversary: what is made, kept, refused, and how it goes on after an interruption."""

import csv
import json
import shutil

import pytest
import torch
from kdkit_generators.adversarial import Adversarial
from lightning.pytorch.callbacks import ModelCheckpoint
from safetensors.torch import load_file

from kdkit.engine.adversarial import AdversarialDistillation
from kdkit.engine.distillation import Distillation
from kdkit.errors import RecipeError, UsageError
from kdkit.plugins.registry import discover
from kdkit.progress import Silence
from kdkit.recipe.load import load_experiment
from kdkit.stages import distill
from kdkit.stages.pipeline import STAGE_NAMES, run_stages

ADVERSARY = "{name: adversarial, shape: [3, 16, 16], layout: thw, width: 4, latent: 8, replay: 6, rounds: 2}"
SETTINGS = (
    f"generator={ADVERSARY}",
    "evaluation.generator={name: discs}",
    "samples.train=12",
    "samples.validation=4",
    "samples.evaluation=3",
    "training.epochs=3",
    "training.window=null",
    "controls=[]",
)


def weights(run):
    return load_file(run.folder.model("student") / "weights.safetensors")


def problems(toy, *settings):
    with pytest.raises(RecipeError) as caught:
        load_experiment(discover({}), "toy", None, settings)
    return {problem.path: problem.message for problem in caught.value.problems}


class Told(Silence):
    def __init__(self):
        self.said = []

    def say(self, stage, what, text):
        self.said.append((stage, what, text))


def test_a_whole_run_against_an_adversary_stores_no_training_samples(prepare, toy, monkeypatch):
    kept = []
    real = ModelCheckpoint._save_checkpoint

    def keep(self, trainer, path):
        real(self, trainer, path)
        kept.append(torch.load(path, weights_only=True)["state_dict"])

    monkeypatch.setattr(ModelCheckpoint, "_save_checkpoint", keep)
    run = prepare(*SETTINGS)
    run.progress = Told()
    assert run_stages(run) == STAGE_NAMES
    assert ("generate", "adversarial") in [said[:2] for said in run.progress.said]
    assert [samples.count for samples in run.sample_sets()] == [3]
    assert len(list((toy / "store" / "samples").iterdir())) == 1
    with run.folder.history("student").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "train_adversary", "train_loss", "validation_loss"]
    card = json.loads((run.folder.model("student") / "card.json").read_text())["provenance"]
    assert (card["generator"], card["targets"]) == ("adversarial", None)
    assert card["validation_loss"] == pytest.approx(float(rows[-1]["validation_loss"]))
    assert set(weights(run)) == {"layer.weight", "layer.bias"}
    # The student and the adversary lie in the checkpoints; the teacher, whose network is called Network, does not.
    assert len(kept) == 3
    for state in kept:
        assert {name.partition(".")[0] for name in state} == {"network", "adversary_network"}
    page = run.folder.report_file.read_text()
    assert "adversary <b>adversarial</b>" in page
    assert "becomes harder" in page or "become harder, the last" in page
    assert run_stages(prepare(*SETTINGS)) == []


def test_both_sides_learn_and_the_teacher_does_not(prepare, monkeypatch):
    before, after, teachers = {}, {}, []
    real = AdversarialDistillation.on_fit_start

    def begin(self):
        real(self)
        teachers.append(self.criterion.teacher)
        before.update({name: value.clone() for name, value in self.state_dict().items()})

    monkeypatch.setattr(AdversarialDistillation, "on_fit_start", begin)
    monkeypatch.setattr(AdversarialDistillation, "on_fit_end", lambda self: after.update(self.state_dict()))
    run_stages(prepare(*SETTINGS), last="distill")
    changed = {name for name in before if not torch.equal(before[name].cpu(), after[name].cpu())}
    adversary = {f"adversary_network.{name}" for name in ("seed.weight", "pool", "pool_size")}
    assert {"network.layer.weight", *adversary} <= changed
    assert not teachers[0].training
    assert all(not weight.requires_grad for weight in teachers[0].parameters())


def test_student_and_adversary_are_trained_in_turn_and_the_student_runs_in_evaluation_mode(prepare, monkeypatch):
    steps, modes = [], set()
    loss, log_losses = Adversarial.loss, AdversarialDistillation._log_losses

    def adversary_loss(self, inputs, teacher, student):
        steps.append("adversary")
        modes.add(student.training)
        return loss(self, inputs, teacher, student)

    def student_step(self, kind, *arguments):
        if kind == "train":
            steps.append("student")
            modes.add(not self.network.training)
        log_losses(self, kind, *arguments)

    monkeypatch.setattr(Adversarial, "loss", adversary_loss)
    monkeypatch.setattr(AdversarialDistillation, "_log_losses", student_step)
    run = prepare(*SETTINGS, "training.batch_size=2", "training.epochs=1")
    run_stages(run, last="distill")
    adversary = run.experiment.generator
    cycle = ["adversary"] * adversary.adversary_steps + ["student"] * adversary.student_steps
    assert steps.count("student") == 6 > 1  # 12 samples in batches of 2
    assert steps == (cycle * len(steps))[: len(steps)]
    assert modes == {False}


def test_the_student_comes_nearer_to_the_teacher_than_it_began(prepare):
    run = prepare(*SETTINGS, "samples.train=96", "training.epochs=6")
    run_stages(run)
    scores = json.loads(run.folder.scores_file.read_text())
    assert scores["student"]["overlap"]["value"] > 0.8 * scores["teacher"]["overlap"]["value"]


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_duel_that_was_cut_off_ends_as_if_it_had_not_been(prepare, monkeypatch, epoch):
    run = prepare(*SETTINGS)
    run_stages(run, last="distill")
    expected, history = weights(run), run.folder.history("student").read_text()
    shutil.rmtree(run.folder.path)
    began = Distillation.on_train_epoch_start

    def strike(self):
        if self.current_epoch == epoch:
            raise InterruptedError
        began(self)

    with monkeypatch.context() as patched:
        patched.setattr(Distillation, "on_train_epoch_start", strike)
        with pytest.raises(InterruptedError):
            run_stages(prepare(*SETTINGS), last="distill")
    again = prepare(*SETTINGS)
    run_stages(again, last="distill")
    for name, value in expected.items():
        torch.testing.assert_close(weights(again)[name], value, rtol=0, atol=0)
    assert again.folder.history("student").read_text() == history


def test_it_can_be_combined_with_objectives_on_features(prepare, monkeypatch):
    from kdkit_toy.models import Brightness

    class Looking(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.features = torch.nn.Conv2d(1, 3, 3, padding=1)

        def forward(self, inputs):
            self.features(inputs.flatten(0, 1).unsqueeze(1).float() / 255)
            return 20 * (inputs.float() / 255 - 0.5)

    monkeypatch.setattr(Brightness, "build", lambda self: Looking())
    objective = "objective=[{name: soft-bce}, {name: hint, weight: 0.1, layers: [[layer, features]]}]"
    run = prepare(*SETTINGS, objective)
    run_stages(run, last="distill")
    with run.folder.history("student").open() as file:
        assert "train_hint" in next(csv.reader(file))


def test_what_an_adversary_cannot_do_is_told_before_anything_runs(toy, monkeypatch):
    faults = problems(
        toy,
        f"generator={ADVERSARY}",
        "generator.distance=kl",
        "training.patience=3",
        f"controls.0.generator={ADVERSARY}",
    )
    assert "is for the activation softmax; the domain toy has sigmoid" in faults["generator"]
    assert "makes no samples to evaluate on" in faults["evaluation.generator"]
    assert "expected null" in faults["training.patience"]
    assert "found 3" in faults["training.window"]
    assert "is an adversary" in faults["controls.0.generator"]


@pytest.mark.parametrize("generator", [ADVERSARY, "{name: inversion, shape: [3, 16, 16], layout: thw}"])
def test_a_teacher_that_only_answers_is_refused(toy, monkeypatch, generator):
    from kdkit_toy.models import Brightness

    monkeypatch.setattr(Brightness, "gradients", False)
    faults = problems(toy, *SETTINGS[1:], f"generator={generator}")
    assert set(faults) == {"generator"}
    assert "the teacher brightness gives only logits" in faults["generator"]


def test_more_than_one_device_is_refused(prepare):
    run = prepare(*SETTINGS, "trainer.devices=2")
    with pytest.raises(UsageError, match="an adversary is trained on one device, not on 2"):
        distill.execute(run)


def test_another_teacher_or_another_adversary_is_another_student(prepare):
    fingerprints = {
        prepare(*SETTINGS, *more).arms[0].fingerprint
        for more in ([], ["teacher.threshold=0.4"], ["generator.width=5"], ["samples.train=13"], ["seed=1"])
    }
    assert len(fingerprints) == 5
