"""A training with a precision of auto: bfloat16 where a step takes less time so, and one choice for a run."""

import pytest
import torch

from kdkit.engine import training_precision as probing
from kdkit.engine.precision import PrecisionChoice, Trial
from kdkit.engine.training_precision import choose_training_precision
from kdkit.errors import DataError
from kdkit.runs.student import read_card
from kdkit.stages.pipeline import STAGE_NAMES, run_stages

SMALL = ("samples.train=6", "samples.validation=2", "samples.evaluation=3", "training.epochs=1")
AUTO = ("trainer.precision=auto", *SMALL)


@pytest.fixture
def chosen(monkeypatch):
    """Call with a precision: the probe comes to it from now on; with None: it must not run."""

    def choose(precision):
        def probe(*_arguments):
            assert precision is not None, "it was chosen before"
            return PrecisionChoice(precision, [Trial("bf16-mixed", 1.0, 2.0, 0.99959)], 3, "cpu")

        monkeypatch.setattr(probing, "choose_training_precision", probe)

    return choose


def test_all_students_of_a_run_are_trained_in_the_chosen_precision(toy, prepare, chosen):
    chosen("bf16-mixed")
    run = prepare(*AUTO)
    lines = []
    run.progress.say = lambda stage, what, text: lines.append((stage, text))
    assert run_stages(run) == STAGE_NAMES
    assert run.folder.manifest()["training_precision"]["chosen"] == "bf16-mixed"
    why = "bf16-mixed is 2.00 times as fast as float32 and the cosine of its gradients to those is 99.95 %"
    assert ("precision", f"trains in bf16-mixed: {why}") in lines
    assert len(run.arms) > 1
    for arm in run.arms:
        assert arm.precision == "bf16-mixed"
        assert read_card(run.folder.model(arm.name))["provenance"]["precision"] == "bf16-mixed"
    chosen(None)
    assert run_stages(prepare(*AUTO)) == []


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_training_that_was_cut_off_goes_on_in_the_precision_of_its_manifest(toy, prepare, chosen, precision):
    chosen(precision)
    run = prepare(*AUTO)
    run_stages(run, last="distill")
    fingerprints = [arm.fingerprint for arm in run.arms]
    for path in run.folder.model(run.arms[-1].name).iterdir():
        path.unlink()
    chosen(None)
    again = prepare(*AUTO)
    assert run_stages(again, last="distill") == ["distill"]
    assert [arm.fingerprint for arm in again.arms] == fingerprints


def test_without_a_manifest_a_students_own_card_says_what_it_was_trained_in(toy, prepare, chosen):
    chosen("bf16-mixed")
    run = prepare(*AUTO)
    run_stages(run, last="distill")
    weights = run.folder.model("student") / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    (run.folder.path / "manifest.json").unlink()
    chosen(None)
    again = prepare(*AUTO)
    run_stages(again, last="distill")
    assert again.folder.manifest()["training_precision"]["chosen"] == "bf16-mixed"
    assert weights.stat().st_mtime_ns == before


def test_a_precision_that_was_asked_for_is_not_measured(toy, prepare, chosen):
    chosen(None)
    run = prepare("trainer.precision=bf16-mixed", *SMALL)
    run_stages(run, last="distill")
    assert "training_precision" not in run.folder.manifest()
    assert run.arms[0].precision == "bf16-mixed"


# --- the measurement ---------------------------------------------------------------------------------------------


@pytest.fixture
def labelled(toy, prepare):
    """A run whose targets are there."""
    run = prepare("trainer.precision=auto", "trainer.accelerator=cpu", "trainer.devices=1", *SMALL)
    run_stages(run, last="label")
    return run


def timer(factor):
    """Float32 takes ``factor`` times as long as anything else."""
    return lambda precision, call: factor if precision == "32-true" else 1.0


def probe(run, factor):
    return choose_training_precision(run.experiment, run.arms[0], run.folder.path, timer(factor))


@pytest.mark.parametrize(("factor", "chosen"), [(1.15, "bf16-mixed"), (1.14, "32-true"), (0.5, "32-true")])
def test_bfloat16_is_taken_where_a_step_takes_less_time_so(labelled, factor, chosen):
    choice = probe(labelled, factor)
    assert choice.chosen == chosen
    (trial,) = choice.trials
    assert 0.99 <= trial.agreement < 1
    assert (choice.samples, choice.device) == (4, "cpu")


class Turned(torch.autograd.Function):
    """The identity, with the opposite gradient in anything but float32."""

    @staticmethod
    def forward(ctx, logits, is_full):
        ctx.is_full = is_full
        return logits.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient if ctx.is_full else -gradient, None


def break_student(monkeypatch, run, what):
    """Let ``what`` come of the student's logits, given them and whether they are of full precision."""
    build = type(run.experiment.student).build

    def broken(self):
        network = build(self)
        network.register_forward_hook(lambda _m, _i, logits: what(logits, not torch.is_autocast_enabled("cpu")))
        return network

    monkeypatch.setattr(type(run.experiment.student), "build", broken)


def test_it_is_not_taken_where_it_learns_something_else(labelled, monkeypatch):
    break_student(monkeypatch, labelled, Turned.apply)
    choice = probe(labelled, 2.0)
    assert choice.chosen == "32-true"
    assert choice.trials[0].agreement < -0.9


class Failing(Turned):
    """The identity, whose gradient fails in anything but float32."""

    @staticmethod
    def backward(ctx, gradient):
        if not ctx.is_full:
            raise TypeError("no such kernel")
        return gradient, None


def fail_with(error):
    def fail(logits, is_full):
        if not is_full:
            raise error
        return logits

    return fail


def vanish(logits, is_full):
    return logits if is_full else logits / 0


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (fail_with(RuntimeError("no such kernel\nfor this type")), "no such kernel"),
        (fail_with(NotImplementedError()), "NotImplementedError"),
        (Failing.apply, "no such kernel"),
        (vanish, "not finite"),
    ],
)
def test_a_student_that_does_not_run_in_it_is_trained_in_float32(labelled, monkeypatch, what, reason):
    break_student(monkeypatch, labelled, what)
    choice = probe(labelled, 2.0)
    assert choice.chosen == "32-true"
    assert reason in choice.trials[0].error
    assert "does not run in bf16-mixed" in choice.why()
    labelled.settle_training_precision(choice.as_json())
    assert labelled.is_training_precision_settled()


def test_of_several_devices_one_measures_its_share(toy, prepare):
    run = prepare("trainer.precision=auto", "trainer.accelerator=cpu", "trainer.devices=2", *SMALL)
    run_stages(prepare("trainer.precision=auto", *SMALL), last="label")
    assert probe(run, 2.0).samples == 2


def test_it_measures_the_step_that_the_training_begins_with(labelled, monkeypatch):
    weights = []
    build = type(labelled.experiment.student).build

    def watch(self):
        network = build(self)
        weights.append([parameter.detach().clone() for parameter in network.parameters()])
        return network

    monkeypatch.setattr(type(labelled.experiment.student), "build", watch)
    torch.manual_seed(99)
    probe(labelled, 2.0)
    probe(labelled, 2.0)
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


def test_what_cannot_be_read_is_told_as_in_a_training(labelled, monkeypatch):
    def fail(_batches):
        return iter([DataError("samples of two shapes", "Set training.window.")])

    monkeypatch.setattr(probing.torch.utils.data.DataLoader, "__iter__", fail)
    with pytest.raises(DataError, match="samples of two shapes"):
        probe(labelled, 2.0)


def test_a_run_of_a_time_without_this_choice_was_trained_in_float32(toy, prepare, chosen):
    chosen("32-true")
    run = prepare(*AUTO)
    run_stages(run)
    run.folder.update_manifest(training_precision=None)
    chosen(None)
    assert run_stages(prepare(*AUTO)) == []


def test_what_fails_in_float32_too_is_an_error(labelled, monkeypatch):
    break_student(monkeypatch, labelled, lambda logits, _: logits[:, :1, :1])
    with pytest.raises(DataError, match="shape"):
        probe(labelled, 2.0)


def test_it_measures_in_a_run(labelled):
    run_stages(labelled, last="distill")
    record = labelled.folder.manifest()["training_precision"]
    assert record["chosen"] in ("32-true", "bf16-mixed")
    assert record["trials"][0]["full_seconds"] > 0
