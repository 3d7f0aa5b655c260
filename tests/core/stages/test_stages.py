"""The stages: what is whole is kept, what was cut off goes on, what changed is made anew."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import get_worker_info

from kdkit import KdkitError
from kdkit.engine.distillation import STEPS_BETWEEN_CHECKS, Distillation
from kdkit.engine.windows import Windows
from kdkit.errors import DataError, UsageError
from kdkit.stages import generate
from kdkit.stages.pipeline import STAGE_NAMES, run_stages
from kdkit.store.targets import NAME

SMALL = ("samples.train=6", "samples.validation=2", "samples.evaluation=3", "training.epochs=2", "controls=[]")


TOY = Path(__file__).parents[2] / "toy"


def content(folder):
    """{relative path: bytes} of every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def arrays(store, indices, name):
    return [store.read(index, name) for index in indices]


def weights(run, arm="student"):
    return load_file(run.folder.model(arm) / "weights.safetensors")


def assert_equal_weights(first, second):
    assert first.keys() == second.keys()
    for key in first:
        torch.testing.assert_close(first[key], second[key], rtol=0, atol=0)


@pytest.fixture(scope="module")
def template(tmp_path_factory, toy_run):
    """The folder of a small run, whole to the end."""
    home = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(TOY))
        assert run_stages(toy_run(home, *SMALL)) == STAGE_NAMES
    return home


@pytest.fixture
def whole_run(template, prepare, toy):
    """A small run, whole to the end."""
    shutil.copytree(template, toy)
    return prepare(*SMALL)


def test_a_whole_run_leaves_every_artifact(prepare):
    run = prepare(*SMALL[:4])
    run_stages(run)
    scores = json.loads(run.folder.scores_file.read_text())
    assert set(scores) == {"teacher", "student", "control", "differences"}
    differences = scores.pop("differences")
    assert set(differences) == {"student-teacher", "student-control", "teacher-control"}
    gap = differences["student-teacher"]["overlap"]
    assert set(gap) == {"value", "ci_low", "ci_high", "n", "units", "margin", "verdict", "more_units"} | {
        "seeds",
        "spread",
        "seed_half_width",
        "quantity",
    }
    assert gap["value"] == pytest.approx(
        scores["student"]["overlap"]["value"] - scores["teacher"]["overlap"]["value"]
    )
    for model, by_name in scores.items():
        keys = {"value", "ci_low", "ci_high", "n", "units", "unit", "higher_is_better"}
        assert set(by_name["overlap"]) == (keys | {"seeds", "spread"} if model != "teacher" else keys)
        assert by_name["overlap"]["n"] == 3
    assert scores["student"]["overlap"]["value"] > scores["control"]["overlap"]["value"]
    assert run.folder.report_file.is_file() and run.folder.recipe_file.is_file()
    with run.folder.cases_file.open() as file:
        assert len(list(csv.DictReader(file))) == 9
    with run.folder.history("student").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    assert not list(run.folder.path.rglob("*.ckpt"))
    assert not list(run.folder.path.rglob("*.partial")) + list(run.root.rglob("*.partial"))


def test_the_manifest_says_of_every_component_what_it_is(whole_run):
    manifest, experiment = whole_run.folder.manifest(), whole_run.experiment
    assert manifest["format"] == 4
    assert set(manifest["components"]) == {"domain", *experiment.components()}
    assert manifest["components"]["teacher"] == {
        "kind": "teacher",
        "name": "brightness",
        "distribution": "kdkit-toy",
        "distribution_version": "0.1",
        "version": "1",
        "digest": experiment.teacher.origin.digest,
        "fingerprint": experiment.teacher.fingerprint(),
    }
    assert experiment.teacher.origin.digest


def test_a_second_run_does_nothing(whole_run, prepare):
    before = times(whole_run.folder.path) | times(whole_run.root)
    assert run_stages(prepare(*SMALL)) == []
    after = times(whole_run.folder.path) | times(whole_run.root)
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= {"recipe.yaml", "manifest.json"}
    assert after.keys() == before.keys()


def test_a_second_run_loads_no_torch(whole_run, toy):
    code = textwrap.dedent(
        f"""
        import sys
        sys.argv = ["kdkit", "run", "toy", {", ".join(f"'--set', {s!r}" for s in SMALL)}]
        from kdkit_cli.main import main
        try:
            main()
        except SystemExit as end:
            assert not end.code, end.code
        assert not {{"torch", "lightning", "torchvision", "cv2", "pandas"}} & set(sys.modules), sorted(sys.modules)
        """
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "nothing to do" in process.stderr


def test_more_training_samples_only_add_new_ones(whole_run, prepare):
    before = times(whole_run.root)
    old = arrays(whole_run.arms[0].training.split.samples.store, range(11), "inputs")
    more = prepare("samples.train=9", *SMALL[1:])
    assert run_stages(more) == STAGE_NAMES
    after = times(more.root)
    assert {path: after[path] for path in before} == before
    assert more.arms[0].training.split.samples.store.ranges()[-1] == (11, 14)
    for was, now in zip(old, arrays(more.arms[0].training.split.samples.store, range(11), "inputs"), strict=True):
        np.testing.assert_array_equal(was, now)
    # The new ones are what they would have been in one go.
    np.testing.assert_array_equal(
        more.arms[0].training.split.samples.sample(13).inputs, next(more.experiment.generator.generate([13])).inputs
    )


def test_another_option_of_the_teacher_labels_anew_and_generates_nothing(whole_run, prepare):
    other = prepare("teacher.threshold=0.4", *SMALL)
    assert run_stages(other, last="evaluate") == ["label", "distill", "predict", "evaluate"]
    old = whole_run.evaluation.targets.read(0, NAME)
    assert (other.evaluation.targets.read(0, NAME) != old).any()
    assert whole_run.evaluation.targets.folder != other.evaluation.targets.folder


def test_another_content_of_the_teachers_file_labels_anew_in_the_same_run(prepare, tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"one")
    settings = (f"teacher.weights={path}", *SMALL)
    run_stages(prepare(*settings), last="label")
    assert run_stages(prepare(*settings), last="label") == []
    path.write_bytes(b"two")
    assert run_stages(prepare(*settings), last="label") == ["label"]


def test_another_objective_only_trains_anew(whole_run, prepare):
    other = prepare("objective.name=soft-dice", *SMALL)
    assert run_stages(other, last="evaluate") == ["distill", "predict", "evaluate"]


def test_labels_of_another_precision_are_other_labels(whole_run, prepare):
    assert prepare("trainer.precision=bf16-true", *SMALL).evaluation.fingerprint != whole_run.evaluation.fingerprint


def test_a_change_of_hardware_changes_nothing(whole_run, prepare):
    assert run_stages(prepare("trainer.workers=2", "trainer.num_nodes=1", *SMALL)) == []


def test_generating_goes_on_where_it_was_cut_off(prepare):
    run = prepare(*SMALL)
    samples = run.evaluation.split.samples
    generate.make_shard(samples.generator, samples.store, 2, range(2, 5))
    before = times(run.root)
    assert run_stages(run, last="generate") == ["generate"]
    assert samples.store.ranges() == [(0, 2), (2, 5), (5, 11)]
    assert {path: times(run.root)[path] for path in before} == before


def test_labelling_goes_on_where_it_was_cut_off(whole_run, prepare):
    targets = whole_run.evaluation.targets
    kept = {path: path.stat().st_mtime_ns for path in targets.folder.iterdir()}
    expected = content(targets.folder)
    lost, damaged = sorted(kept)[:2]
    lost.unlink()
    damaged.write_bytes(damaged.read_bytes()[:40])
    again = prepare(*SMALL)
    assert run_stages(again, last="distill") == ["label"]
    assert content(targets.folder) == expected
    untouched = [path for path in kept if path not in (lost, damaged)]
    assert untouched and all(path.stat().st_mtime_ns == kept[path] for path in untouched)


def test_two_processes_generate_the_same_bytes_as_one(prepare, monkeypatch):
    monkeypatch.setattr(generate, "shard_length", lambda record: 3)
    one = prepare(*SMALL, "trainer.workers=1")
    run_stages(one, last="generate")
    expected = content(one.root)
    for path in one.root.rglob("*.safetensors"):
        path.unlink()
    two = prepare(*SMALL, "trainer.workers=2")
    assert run_stages(two, last="generate") == ["generate"]
    assert content(two.root) == expected
    assert len(expected) == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_a_generator_that_fails_is_named_and_what_was_made_is_kept(prepare, monkeypatch, workers):
    monkeypatch.setattr(generate, "shard_length", lambda record: 3)
    run = prepare(*SMALL, f"trainer.workers={workers}", "generator.fail_at=10")
    with pytest.raises(DataError, match=r"generator discs .* failed on samples 9 to 10: disc 10 is broken"):
        run_stages(run, last="generate")
    run.evaluation.split.samples.store.refresh()
    assert (0, 3) in run.evaluation.split.samples.store.ranges()


@pytest.mark.parametrize(
    ("generate_samples", "message"),
    [
        (lambda indices: iter([]), "it made 0 samples instead of 1"),
        (lambda indices: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda indices: iter(["text"]), "it yields a str, not a kdkit.Sample"),
    ],
)
def test_a_generator_that_breaks_its_contract_is_named(prepare, monkeypatch, generate_samples, message):
    run = prepare(*SMALL)
    monkeypatch.setattr(type(run.experiment.generator), "generate", lambda self, indices: generate_samples(indices))
    with pytest.raises(KdkitError, match=f"generator discs .* failed on samples 0 to 0: .*{message}"):
        run_stages(run, last="generate")


def test_a_generator_that_cannot_be_sent_to_workers_says_what_to_do(prepare, monkeypatch):
    monkeypatch.setattr(generate, "shard_length", lambda record: 3)
    run = prepare(*SMALL, "trainer.workers=2")
    run.experiment.generator.lock = threading.Lock()
    with pytest.raises(KdkitError, match=r"(?s)Discs cannot be sent to another process.*trainer.workers=1"):
        run_stages(run, last="generate")


def test_a_finite_generator_with_too_few_samples_is_refused_before_it_begins(prepare):
    run = prepare(*SMALL, "generator.limit=10")
    with pytest.raises(DataError, match=r"(?s)asks for 11 samples of discs, but it has 10.*samples\.train"):
        run_stages(run)
    assert not run.root.exists()
    assert run_stages(prepare(*SMALL, "generator.limit=11"), last="generate") == ["generate"]


@pytest.mark.parametrize(
    ("teacher", "message"), [("not-finite", "not finite"), ("constant", "the same logits everywhere")]
)
def test_a_teacher_that_is_silently_wrong_stops_the_run_before_anything_is_labelled(prepare, teacher, message):
    run = prepare(*SMALL, f"teacher.name={teacher}")
    with pytest.raises(KdkitError, match=f"teacher {teacher} .*{message}"):
        run_stages(run)
    assert not (run.root / "targets").exists()


class Blind(torch.nn.Module):
    """Answers every sample with the same picture."""

    def forward(self, inputs):
        return torch.arange(inputs[0].numel()).reshape(inputs.shape[1:]).expand(inputs.shape).float()


class LateNaN(torch.nn.Module):
    """Answers well as long as it is only tried out: once for each of three samples."""

    calls = 0

    def forward(self, inputs):
        LateNaN.calls += 1
        logits = inputs.float() / 255 - 0.5
        return logits if LateNaN.calls <= 3 else logits * torch.nan


def test_a_teacher_that_ignores_its_input_stops_the_run(prepare, monkeypatch):
    run = prepare(*SMALL)
    monkeypatch.setattr(type(run.experiment.teacher), "build", lambda self: Blind())
    with pytest.raises(KdkitError, match="teacher brightness gives the same logits for every sample"):
        run_stages(run)
    assert not (run.root / "targets").exists()


def test_an_answer_that_is_not_finite_is_never_stored(prepare, monkeypatch):
    run = prepare(*SMALL)
    monkeypatch.setattr(type(run.experiment.teacher), "build", lambda self: LateNaN())
    with pytest.raises(KdkitError, match="logits for sample 0 are not finite"):
        run_stages(run)
    assert not list((run.root / "targets").rglob("*.safetensors"))


def test_the_control_may_be_trained_for_fewer_epochs(prepare):
    run = prepare(*SMALL[:4], "controls.0.epochs=1")
    run_stages(run, last="distill")
    epochs = {arm.name: len(run.folder.history(arm.name).read_text().splitlines()) - 1 for arm in run.arms}
    assert epochs == {"student": 2, "control": 1}
    whole = {arm.name: arm.fingerprint for arm in prepare(*SMALL[:4]).arms}
    assert [whole[arm.name] == arm.fingerprint for arm in run.arms] == [True, False]


def test_without_a_control_there_is_none(whole_run):
    assert set(json.loads(whole_run.folder.scores_file.read_text())) == {"teacher", "student", "differences"}
    assert not whole_run.folder.model("control").exists()


def test_the_weights_file_holds_the_student_alone(whole_run):
    state = weights(whole_run)
    own = whole_run.experiment.student.build().state_dict()
    assert {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in own.items()}
    card = json.loads((whole_run.folder.model("student") / "card.json").read_text())
    assert card["weights"] == sum(value.numel() for value in state.values()) == 10
    assert (card["component"], card["domain"], card["activation"]) == ("pixelwise", "toy", "sigmoid")
    assert card["provenance"]["teacher"] == "brightness"
    assert card["components"] == whole_run.folder.manifest()["components"]


def test_tied_weights_can_be_kept(whole_run, tmp_path):
    from kdkit.runs.student import write_student

    network = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    network[1].weight = network[0].weight
    write_student(tmp_path / "tied", network, whole_run.experiment, {})
    assert len(load_file(tmp_path / "tied" / "weights.safetensors")) == 4


def test_truth_never_reaches_training(whole_run, prepare, monkeypatch, toy):
    generator = type(whole_run.experiment.generator)
    honest = generator.generate

    def generate_scrambled(self, indices):
        for sample in honest(self, indices):
            wrong = np.random.default_rng(0).integers(0, 2, sample.truth["mask"].shape).astype(np.uint8)
            yield type(sample)(sample.inputs, {"mask": wrong}, sample.info)

    monkeypatch.setattr(generator, "generate", generate_scrambled)
    monkeypatch.setenv("KDKIT_HOME", str(toy / "other"))
    other = prepare(*SMALL)
    other.root = toy / "other"
    other.folder = type(other.folder)(toy / "other-run")
    run_stages(other, last="evaluate")
    assert (other.evaluation.split.samples.sample(0).truth["mask"]).mean() > 0.4
    assert_equal_weights(weights(whole_run), weights(other))
    scores = [json.loads(run.folder.scores_file.read_text())["student"]["overlap"] for run in (whole_run, other)]
    assert scores[0] != scores[1]


def test_training_is_the_same_every_time(whole_run, prepare):
    before = weights(whole_run)
    again = prepare(*SMALL)
    assert run_stages(again, first="distill") == STAGE_NAMES[2:]
    assert_equal_weights(before, weights(again))


def test_evaluation_samples_are_never_trained_on_wherever_they_come_from(prepare):
    for settings in (
        (),
        ("evaluation.generator={name: discs}",),
        ("evaluation.generator={name: discs, size: 12}",),
        ("controls.0.generator={name: discs}",),
        ("evaluation.generator={name: noise, shape: [4, 16, 16]}",),
    ):
        run = prepare("samples.train=6", "samples.validation=2", "samples.evaluation=3", *settings)
        held_apart = run.evaluation.split
        for arm in run.arms:
            for part in (arm.training.split, arm.validation.split):
                if part.samples.fingerprint == held_apart.samples.fingerprint:
                    assert not set(part.indices) & set(held_apart.indices), (settings, arm.name)
            assert len(arm.training.split) == 6 and len(arm.validation.split) == 2
            assert not set(arm.training.split.indices) & set(arm.validation.split.indices)
        # Whatever is needed of a set is asked of it.
        counts = {samples.fingerprint: samples.count for samples in run.sample_sets()}
        assert len(counts) == len(list(run.sample_sets()))
        for part in run.labelled_splits():
            assert part.split.stop <= counts[part.split.samples.fingerprint], settings


def test_the_evaluation_may_come_from_the_same_generator_as_the_training(prepare):
    run = prepare(*SMALL, "evaluation.generator={name: discs}")
    assert run_stages(run, last="evaluate") == STAGE_NAMES[:-1]


def test_from_makes_that_stage_and_what_follows_anew(whole_run, prepare):
    before = times(whole_run.root)
    weights_time = (whole_run.folder.model("student") / "weights.safetensors").stat().st_mtime_ns
    again = prepare(*SMALL)
    assert run_stages(again, first="predict", last="evaluate") == ["predict", "evaluate"]
    assert (whole_run.folder.model("student") / "weights.safetensors").stat().st_mtime_ns == weights_time
    assert times(whole_run.root) == before
    assert run_stages(prepare(*SMALL)) == ["report"]


def test_from_predict_does_not_trust_predictions_that_are_there(whole_run, prepare):
    store = next(whole_run.folder.predictions("student").rglob("*.safetensors"))
    right = store.read_bytes()
    store.write_bytes(right[:-8] + bytes(8 - len(right[-8:])) + bytes(x ^ 255 for x in right[-8:]))
    run_stages(prepare(*SMALL), first="predict")
    assert store.read_bytes() == right


def test_until_stops_after_the_stage(prepare):
    run = prepare(*SMALL)
    assert run_stages(run, last="label") == ["generate", "label"]
    assert not run.folder.model("student").exists()
    assert run_stages(prepare(*SMALL), last="distill") == ["distill"]


def test_stages_that_cannot_be_are_refused(prepare):
    with pytest.raises(UsageError, match=r"no stage 'destill'; did you mean distill\?"):
        run_stages(prepare(*SMALL), first="destill")
    with pytest.raises(UsageError, match="--from label comes after --until generate"):
        run_stages(prepare(*SMALL), first="label", last="generate")
    run = prepare(*SMALL)
    with pytest.raises(UsageError, match="generate is not done, so the run cannot start from distill"):
        run_stages(run, first="distill")
    assert not run.folder.path.exists()


def test_other_hardware_does_not_rewrite_the_recipe_of_a_whole_run(whole_run, prepare):
    before = whole_run.folder.recipe_file.read_bytes(), whole_run.folder.manifest_file.read_bytes()
    assert run_stages(prepare(*SMALL, "trainer.devices=2", "trainer.accelerator=cpu")) == []
    assert before == (whole_run.folder.recipe_file.read_bytes(), whole_run.folder.manifest_file.read_bytes())


def test_samples_of_several_lengths_say_what_to_do(prepare, monkeypatch):
    run = prepare(*SMALL, "training.window=null")
    honest = type(run.experiment.generator).generate

    def generate_uneven(self, indices):
        for index, sample in zip(indices, honest(self, indices), strict=True):
            keep = 3 + index % 2
            yield type(sample)(sample.inputs[:keep], {"mask": sample.truth["mask"][:keep]}, sample.info)

    monkeypatch.setattr(type(run.experiment.generator), "generate", generate_uneven)
    with pytest.raises(DataError, match=r"(?s)cannot share a batch.*training\.window.*training\.batch_size=1"):
        run_stages(run)
    # The teacher has answered all of them, and a window makes them alike.
    assert run_stages(prepare(*SMALL, "training.window=3"), last="evaluate")[0] == "distill"


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ("null", r"logits \(1, 16, 16\) for a sample of \(1, 16, 16\), the student \(1,\)"),
        # Before the teacher is asked, where a window is to be cut from both.
        ("4", r"the student \w+ gives logits \(1,\) for a sample of \(\d, 16, 16\), of which no window can be cut"),
    ],
)
def test_a_student_that_answers_in_another_shape_is_refused(prepare, monkeypatch, window, message):
    class Flat(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, inputs):
            return self.layer(inputs.float().flatten(1).mean(1, keepdim=True))

    run = prepare(*SMALL, f"training.window={window}")
    monkeypatch.setattr(type(run.experiment.student), "build", lambda self: Flat())
    with pytest.raises(DataError, match=message):
        run_stages(run)


def test_a_loss_that_is_not_finite_stops_the_training(prepare):
    with pytest.raises(
        KdkitError, match=r"(?s)soft-bce.* gives a loss that is not finite in epoch 0, step \d+ .*learning_rate"
    ):
        run_stages(prepare(*SMALL, "student.gain=1e38"))


LONG = ("samples.train=6", "samples.validation=2", "samples.evaluation=3", "training.epochs=4", "controls=[]")


class CutOffError(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture(scope="module")
def whole_weights(tmp_path_factory, toy_run):
    """The weights and losses of a training that nobody disturbed."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(TOY))
        run = toy_run(tmp_path_factory.mktemp("uninterrupted"), *LONG)
        run_stages(run, last="distill")
        return weights(run), run.folder.history("student").read_text()


def assert_resumes_to(whole_weights, run):
    assert run_stages(run, last="distill") == ["distill"]
    assert_equal_weights(whole_weights[0], weights(run))
    assert run.folder.history("student").read_text() == whole_weights[1]
    assert not list(run.folder.path.rglob("*.ckpt"))


def epochs_begun(monkeypatch):
    begun = []
    began = Distillation.on_train_epoch_start
    monkeypatch.setattr(
        Distillation, "on_train_epoch_start", lambda self: (begun.append(self.current_epoch), began(self))[1]
    )
    return begun


def test_batches_that_other_processes_read_ahead_are_the_same(whole_weights, prepare):
    run = prepare(*LONG, "trainer.readers=2")
    run_stages(run, last="distill")
    assert_equal_weights(whole_weights[0], weights(run))


def test_what_a_process_that_reads_ahead_raises_is_told_as_it_is(prepare, monkeypatch):
    def read(self, place):
        raise DataError(f"nobody can read {place}", "Write it anew.")

    run = prepare(*LONG, "trainer.readers=1")
    with monkeypatch.context() as patched:
        real = Windows.__getitem__
        patched.setattr(Windows, "__getitem__", lambda self, p: (read if get_worker_info() else real)(self, p))
        with pytest.raises(DataError, match=r"^nobody can read \(0, \d\)\n") as error:
            run_stages(run, last="distill")
    assert error.value.remedy == "Write it anew."


def test_a_step_of_training_asks_for_no_number(prepare, monkeypatch):
    """Of a GPU, that would wait for everything that it has still to compute."""
    asked, real = [], Distillation.training_step

    class Numbers(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            asked.append(operation is torch.ops.aten._local_scalar_dense.default)
            return operation(*args, **(kwargs or {}))

    def step(self, batch, number):
        before = sum(asked)
        with Numbers():
            loss = real(self, batch, number)
            torch.autograd.grad(loss, list(self.network.parameters()), retain_graph=True)
        assert sum(asked) - before == (number % STEPS_BETWEEN_CHECKS == 0)
        return loss

    monkeypatch.setattr(Distillation, "training_step", step)
    run_stages(prepare(*LONG, "training.batch_size=2"), last="distill")
    assert len(asked) > 100 and sum(asked) == 4


def test_a_training_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(
    whole_weights, prepare, monkeypatch, fork_server, tmp_path
):
    # The process kills itself when the third epoch begins, as kill -9 would.
    code = textwrap.dedent(
        f"""
        import os, signal, sys
        from kdkit.engine.distillation import Distillation
        began = Distillation.on_train_epoch_start
        def strike(self):
            if self.current_epoch == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            began(self)
        Distillation.on_train_epoch_start = strike
        sys.argv = ["kdkit", "run", "toy", "--until", "distill", {", ".join(f"'--set', {s!r}" for s in LONG)}]
        from kdkit_cli.main import main
        main()
        """
    )
    (tmp_path / "struck.py").write_text(code)
    ended, printed = fork_server.run(tmp_path / "log", module="struck", path=[str(tmp_path), *sys.path])
    assert ended == -signal.SIGKILL, printed
    run = prepare(*LONG)
    assert list(run.folder.checkpoints("student").rglob("epoch-1.ckpt"))
    begun = epochs_begun(monkeypatch)
    assert_resumes_to(whole_weights, run)
    assert begun == [2, 3]


@pytest.mark.parametrize("saved", range(1, 9))
def test_wherever_a_training_is_cut_off_it_ends_with_the_same_student(whole_weights, prepare, monkeypatch, saved):
    """Two checkpoints are written in each epoch, the best and the newest: cut off after each of these."""
    real, count = ModelCheckpoint._save_checkpoint, []

    def strike(self, trainer, path):
        real(self, trainer, path)
        count.append(path)
        if len(count) == saved:
            raise CutOffError

    with monkeypatch.context() as patched:
        patched.setattr(ModelCheckpoint, "_save_checkpoint", strike)
        with pytest.raises(CutOffError):
            run_stages(prepare(*LONG), last="distill")
    assert_resumes_to(whole_weights, prepare(*LONG))


def cut_off_in_epoch(number, prepare, monkeypatch):
    began = Distillation.on_train_epoch_start

    def strike(self):
        if self.current_epoch == number:
            raise CutOffError
        began(self)

    with monkeypatch.context() as patched:
        patched.setattr(Distillation, "on_train_epoch_start", strike)
        with pytest.raises(CutOffError):
            run_stages(prepare(*LONG), last="distill")
    return next(prepare(*LONG).folder.checkpoints("student").rglob("epoch-*.ckpt"))


@pytest.mark.parametrize("keep", [0, 100, -10])
def test_a_checkpoint_that_was_cut_off_is_dropped(whole_weights, prepare, monkeypatch, keep):
    checkpoint = cut_off_in_epoch(2, prepare, monkeypatch)
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    begun = epochs_begun(monkeypatch)
    assert_resumes_to(whole_weights, prepare(*LONG))
    assert begun == [0, 1, 2, 3]


@pytest.mark.parametrize("stray", ["epoch-1-v1.ckpt", "epoch-0-v1.ckpt", "epoch-x.ckpt"])
def test_a_stray_checkpoint_stops_nothing(whole_weights, prepare, monkeypatch, stray):
    checkpoint = cut_off_in_epoch(2, prepare, monkeypatch)
    shutil.copy(checkpoint, checkpoint.with_name(stray))
    assert_resumes_to(whole_weights, prepare(*LONG))


def test_a_checkpoint_that_would_execute_code_is_not_executed(whole_weights, prepare, monkeypatch, tmp_path):
    class Attack:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    torch.save({"state_dict": Attack()}, cut_off_in_epoch(2, prepare, monkeypatch))
    assert_resumes_to(whole_weights, prepare(*LONG))
    assert not (tmp_path / "executed").exists()


def test_fresh_does_not_go_on_from_the_checkpoint_of_a_cut_off_training(whole_weights, prepare, monkeypatch):
    cut_off_in_epoch(2, prepare, monkeypatch)
    begun = epochs_begun(monkeypatch)
    run_stages(prepare(*LONG), first="generate", last="distill")
    assert begun == [0, 1, 2, 3]


def test_checkpoints_of_other_inputs_are_not_used(prepare, monkeypatch, tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"one")
    settings = (f"teacher.weights={path}", *LONG)
    cut_off_in_epoch(2, lambda *_: prepare(*settings), monkeypatch)
    path.write_bytes(b"two")
    begun = epochs_begun(monkeypatch)
    run_stages(prepare(*settings), last="distill")
    assert begun == [0, 1, 2, 3]


class Dropping(torch.nn.Module):
    """A student whose training draws at random."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, inputs):
        frames = torch.nn.functional.dropout(inputs.flatten(0, 1).unsqueeze(1).float() / 255, 0.5, self.training)
        return self.layer(frames).squeeze(1).unflatten(0, inputs.shape[:2])


def test_a_resumed_training_with_dropout_draws_what_it_would_have_drawn(prepare, monkeypatch):
    monkeypatch.setattr(type(prepare(*LONG).experiment.student), "build", lambda self: Dropping())
    run = prepare(*LONG)
    run_stages(run, last="distill")
    expected = weights(run)
    shutil.rmtree(run.folder.path)
    cut_off_in_epoch(2, prepare, monkeypatch)
    again = prepare(*LONG)
    run_stages(again, last="distill")
    assert_equal_weights(expected, weights(again))


class Deeper(Dropping):
    """A student with weights that are matrices and others."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Sequential(*(torch.nn.Conv2d(a, b, 3, padding=1) for a, b in ((1, 4), (4, 4), (4, 1))))


def test_a_resumed_training_with_muon_ends_with_the_student_that_it_would_have_had(prepare, monkeypatch):
    monkeypatch.setattr(type(prepare(*LONG).experiment.student), "build", lambda self: Deeper())
    muon = partial(prepare, "training.optimizer=muon")
    run = muon(*LONG)
    run_stages(run, last="distill")
    expected = weights(run)
    shutil.rmtree(run.folder.path)
    cut_off_in_epoch(2, muon, monkeypatch)
    again = muon(*LONG)
    run_stages(again, last="distill")
    assert_equal_weights(expected, weights(again))
    # It is another student than AdamW's, which a recipe without a word of it gets.
    plain = prepare(*LONG)
    assert plain.folder.path != again.folder.path
    run_stages(plain, last="distill")
    assert not torch.equal(weights(plain)["layer.1.weight"], expected["layer.1.weight"])


def test_patience_ends_a_training_that_does_not_get_better(prepare):
    run = prepare(*SMALL, "training.epochs=50", "training.learning_rate=1e-30", "training.patience=2")
    run_stages(run, last="distill")
    card = json.loads((run.folder.model("student") / "card.json").read_text())
    assert card["provenance"]["epochs"] == 3


def students(run):
    """When the weights of each student were written."""
    return {p.parent.name: p.stat().st_mtime_ns for p in run.folder.path.glob("student*/weights.safetensors")}


def test_more_seeds_train_only_the_new_ones_and_fewer_train_none(whole_run, prepare):
    first = students(whole_run)
    more = prepare(*SMALL, "training.seeds=3")
    assert more.folder.path == whole_run.folder.path
    labels = times(more.root)
    assert run_stages(more) == ["distill", "predict", "evaluate", "report"]
    assert times(more.root) == labels
    three = students(more)
    assert three.items() >= first.items()
    assert set(three) == {"student", "student-seed1", "student-seed2"}
    assert len({tuple(weights(more, arm)["layer.weight"].ravel().tolist()) for arm in three}) == 3
    seeds = [
        json.loads((more.folder.model(arm) / "card.json").read_text())["provenance"]["seed"] for arm in sorted(three)
    ]
    assert seeds[0] == 0 and len(set(seeds)) == 3
    fewer = prepare(*SMALL)
    assert run_stages(fewer) == ["evaluate", "report"]
    assert run_stages(prepare(*SMALL, "training.seeds=3")) == ["evaluate", "report"]
    assert students(more) == three


def test_the_score_of_several_seeds_is_their_mean(whole_run, prepare):
    alone = json.loads(whole_run.folder.scores_file.read_text())
    assert "One training seed" in whole_run.folder.report_file.read_text()
    run = prepare(*SMALL, "training.seeds=3")
    run_stages(run)
    scores = json.loads(run.folder.scores_file.read_text())
    score, gap = scores["student"]["overlap"], scores["differences"]["student-teacher"]["overlap"]
    assert score["seeds"][0] == alone["student"]["overlap"]["value"]
    assert score["value"] == pytest.approx(np.mean(score["seeds"]))
    assert score["spread"] == pytest.approx(np.std(score["seeds"], ddof=1))
    assert scores["teacher"] == alone["teacher"]
    assert gap["value"] == pytest.approx(score["value"] - scores["teacher"]["overlap"]["value"])
    with run.folder.cases_file.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows if row["model"] == "student" and row["index"] == "0"] == ["0", "1", "2"]
    assert {row["seed"] for row in rows if row["model"] == "teacher"} == {""}
    by_seed = [[float(r["overlap"]) for r in rows if r["seed"] == str(number)] for number in range(3)]
    assert np.mean(by_seed, axis=1) == pytest.approx(score["seeds"], abs=1e-6)
    assert set(json.loads(run.folder.models_file.read_text())) == {"teacher", "student"}
    page = run.folder.report_file.read_text()
    assert "mean of 3 seeds" in page and "One training seed" not in page


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5"])
def test_a_number_of_seeds_that_is_none_is_refused(prepare, wrong):
    with pytest.raises(KdkitError, match=r"training\.seeds"):
        prepare(*SMALL, f"training.seeds={wrong}")


def test_another_control_does_not_train_the_same_student_again(whole_run, prepare, monkeypatch):
    other = prepare(*SMALL, "controls=[{name: shuffled, targets: truth}]")
    assert other.folder.path != whole_run.folder.path
    begun = epochs_begun(monkeypatch)
    run_stages(other, last="distill")
    assert begun == [0, 1], "that of the control alone"
    assert_equal_weights(weights(whole_run), weights(other))
    # Asked for anew, it is made anew.
    run_stages(prepare(*SMALL, "controls=[{name: shuffled, targets: truth}]"), first="distill", last="distill")
    assert begun == [0, 1] * 3
