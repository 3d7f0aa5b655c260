"""Controls: the same student on other samples or other targets, each made once, and refused where it cannot be."""

import json

import numpy as np
import pytest

from kdkit.engine.untrained import draw_weights
from kdkit.errors import DataError, RecipeError, UsageError
from kdkit.stages.pipeline import STAGE_NAMES, run_stages
from kdkit.store.targets import read_prediction

SMALL = ("samples.train=6", "samples.validation=2", "samples.evaluation=5", "training.epochs=2")
NOISE = "{name: control, generator: {name: noise, shape: [4, 16, 16]}}"


def control(run, name):
    return next(arm for arm in run.arms if arm.model == name)


def test_a_control_of_truth_learns_the_masks_of_the_students_own_samples(prepare):
    run = prepare(*SMALL, "controls=[{targets: truth}]")
    assert run_stages(run) == STAGE_NAMES
    truth = control(run, "truth")
    student = run.arms[0]
    assert truth.training.split == student.training.split
    assert truth.training.fingerprint != student.training.fingerprint
    for index in truth.training.split.indices:
        sample = truth.training.split.samples.sample(index)
        target = read_prediction(truth.training.targets, index, "sigmoid")
        np.testing.assert_array_equal(target, sample.truth["mask"])
    scores = json.loads(run.folder.scores_file.read_text())
    assert {"student-truth", "teacher-truth"} <= set(scores["differences"])
    assert (run.folder.model("truth") / "weights.safetensors").is_file()


def test_several_controls_stand_side_by_side_and_are_made_once(prepare):
    settings = (*SMALL, f"controls=[{NOISE}, {{targets: truth, epochs: 1}}]")
    run = prepare(*settings)
    run_stages(run)
    scores = json.loads(run.folder.scores_file.read_text())
    assert set(scores) == {"student", "teacher", "control", "truth", "differences"}
    rows = run.folder.history("truth").read_text().splitlines()
    assert len(rows) - 1 == 1
    page = " ".join(run.folder.report_file.read_text().split())
    assert "From floor to ceiling" in page and "the generator&#39;s truth" in page
    assert run_stages(prepare(*settings)) == []


def test_a_control_of_fewer_samples_has_the_first_ones_and_leaves_the_students_alone(prepare):
    few = NOISE.replace("}}", "}, samples: 2}")
    run = prepare(*SMALL, f"controls=[{few}, {{targets: truth, samples: 3}}]")
    run_stages(run)
    student, noise, truth = run.arms
    assert [len(arm.training.split) for arm in run.arms] == [6, 2, 3]
    assert [len(arm.validation.split) for arm in run.arms] == [2, 2, 2]
    assert noise.training.split.samples.count == 2 + 2
    assert truth.training.split.samples.fingerprint == student.training.split.samples.fingerprint
    assert truth.training.split.start == student.training.split.start
    counts = [json.loads((run.folder.model(arm.name) / "card.json").read_text()) for arm in run.arms]
    assert [card["provenance"]["samples"] for card in counts] == [6, 2, 3]
    page = " ".join(run.folder.report_file.read_text().split())
    assert "with 2 of 6 samples." in page and "with 3 of 6 samples." in page
    alone = prepare(*SMALL, "controls=[]")
    assert alone.arms[0].fingerprint == student.fingerprint


def test_a_control_has_no_more_samples_and_epochs_than_the_student(prepare):
    run = prepare(*SMALL, "controls=[{targets: truth, samples: 9, epochs: 9}]")
    run_stages(run, last="distill")
    assert [len(arm.training.split) for arm in run.arms] == [6, 6]
    assert [arm.options.epochs for arm in run.arms] == [2, 2]


def test_another_control_keeps_what_the_student_learnt_from(prepare):
    first = prepare(*SMALL, f"controls=[{NOISE}]")
    run_stages(first, last="label")
    before = {path: path.stat().st_mtime_ns for path in first.root.rglob("*") if path.is_file()}
    more = prepare(*SMALL, f"controls=[{NOISE}, {{targets: truth}}]")
    assert run_stages(more, last="label") == ["label"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [arm.fingerprint for arm in more.arms[:2]] == [arm.fingerprint for arm in first.arms]


@pytest.mark.parametrize(
    ("controls", "place", "message"),
    [
        ("[{}]", "controls.0", "is the student itself"),
        ("[{targets: teacher, epochs: 3}]", "controls.0", "is the student itself"),
        ("[{targets: lies}]", "controls.0.targets", "found 'lies'"),
        ("[{name: student, targets: truth}]", "controls.0.name", "choose another"),
        ("[{name: student-seed1, targets: truth}]", "controls.0.name", "choose another"),
        ("[{name: ../up, targets: truth}]", "controls.0.name", "found '../up'"),
        ("[{targets: truth}, {targets: truth, epochs: 1}]", "controls.1.name", "two controls truth"),
        ("[{targets: truth, generator: {name: nois}}]", "controls.0.generator", "did you mean noise?"),
        ("[{targets: truth, generator: {name: noise, shap: 3}}]", "controls.0.generator.shap", "did you mean shape?"),
        ("{targets: truth}", "controls", "found {"),
    ],
)
def test_a_control_that_cannot_be_is_refused_with_the_recipe(prepare, controls, place, message):
    with pytest.raises(RecipeError) as error:
        prepare(*SMALL, f"controls={controls}")
    problems = {problem.path: problem.message for problem in error.value.problems}
    assert message in problems[place]


def test_truth_that_the_samples_do_not_hold_is_refused_before_anything_is_made(prepare, toy):
    run = prepare(*SMALL, "controls=[{targets: truth, generator: {name: noise, shape: [4, 16, 16]}}]")
    with pytest.raises(UsageError, match="do not hold it"):
        run_stages(run)
    assert not toy.exists() or not any(toy.rglob("*.*"))


def test_a_sample_without_truth_among_others_is_named(prepare, monkeypatch):
    run = prepare(*SMALL, "controls=[{targets: truth}]")
    domain = type(run.experiment.domain)
    whole = domain.target_from_truth
    bad = run.arms[0].training.split.start + 2

    def target(self, sample):
        return None if sample.info["name"].endswith(f"{bad}") else whole(self, sample)

    monkeypatch.setattr(domain, "target_from_truth", target)
    with pytest.raises(DataError, match=f"sample {bad} holds no truth"):
        run_stages(run)


def test_a_teacher_without_weights_cannot_be_untrained(prepare, toy):
    run = prepare(*SMALL, "controls=[{targets: untrained-teacher}]")
    with pytest.raises(UsageError, match="has no weights"):
        run_stages(run)
    assert not toy.exists() or not any(toy.rglob("*.*"))


def test_an_untrained_teacher_answers_otherwise_than_the_trained_one(prepare, monkeypatch):
    import torch

    def build(self):
        layer = torch.nn.Conv2d(1, 1, 3, padding=1)
        torch.nn.init.constant_(layer.weight, 1.0)
        torch.nn.init.constant_(layer.bias, -4.0)

        class Network(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = layer

            def forward(self, inputs):
                frames = inputs.float().flatten(0, -3).unsqueeze(1) / 255
                return self.layer(frames).reshape(inputs.shape)

        return Network()

    run = prepare(*SMALL, "controls=[{targets: untrained-teacher}]")
    monkeypatch.setattr(type(run.experiment.teacher), "build", build)
    assert run_stages(run) == STAGE_NAMES
    student, untrained = run.arms
    assert (untrained.model, untrained.training.split) == ("untrained-teacher", student.training.split)
    index = student.training.split.start
    answers = [read_prediction(arm.training.targets, index, "sigmoid") for arm in run.arms]
    assert np.abs(answers[0] - answers[1]).max() > 0.1
    assert "untrained-teacher" in json.loads(run.folder.scores_file.read_text())


def test_weights_are_drawn_anew_by_the_seed_alone():
    import torch

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.arange(50.0))
            self.layer = torch.nn.Linear(3, 2)
            self.norm = torch.nn.BatchNorm1d(2)

    def drawn(seed):
        network = Scaled()
        network.norm.running_mean.fill_(7)
        with torch.no_grad():
            network.layer.weight.fill_(100)
        return draw_weights(network, seed).state_dict()

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert first["layer.weight"].abs().max() < 1 and first["norm.running_mean"].abs().max() == 0
    assert sorted(first["scale"].tolist()) == list(range(50)) and first["scale"].tolist() != list(range(50))
    assert not torch.equal(first["layer.weight"], other["layer.weight"])


def test_a_store_of_truth_follows_the_version_of_the_domain(prepare, monkeypatch):
    run = prepare(*SMALL, "controls=[{targets: truth}]")
    student, truth = run.arms
    monkeypatch.setattr(type(run.experiment.domain), "version", "2", raising=False)
    newer = prepare(*SMALL, "controls=[{targets: truth}]")
    assert control(newer, "truth").training.fingerprint != truth.training.fingerprint
    assert newer.arms[0].fingerprint == student.fingerprint
