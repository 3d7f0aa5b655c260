"""Several processes do what one does, and end together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from fork_server import second_process
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow

# Samples in several shards, so that there is something to share.
MANY = ("generator.size=192", "samples.train=60", "controls=[]", "training.epochs=2", "trainer.accelerator=cpu")
ENDLESS = (*MANY, "training.epochs=100000")
KDKIT = Path(sys.executable).with_name("kdkit")
# Every process kills itself when the third epoch begins.
KILLED_IN_TRAINING = """
import os, signal, sys
from kdkit.engine.distillation import Distillation
began = Distillation.on_train_epoch_start
def strike(self):
    if self.current_epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    began(self)
Distillation.on_train_epoch_start = strike
sys.argv = {}
from kdkit_cli.main import main
main()
"""


def arguments(*settings):
    return [part for setting in settings for part in ("--set", setting)]


def digest(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors")}


def weights(folder):
    return load_file(folder / "student" / "weights.safetensors")


def assert_close(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(value, other[name], rtol=1e-4, atol=1e-5)


def finish(command):
    _, output = command.communicate(timeout=300)
    assert command.returncode == 0, output
    assert "Traceback" not in output
    return output


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process makes, undisturbed: the folder of its run, and that of its store."""
    home = tmp_path_factory.mktemp("alone")
    environment = os.environ | {"KDKIT_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2] / "toy")}
    command = [str(KDKIT), "run", "toy", *arguments(*MANY), "--out", str(home / "run")]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return home / "run", home / "store"


@pytest.fixture
def family(process):
    """Start a run in two processes; returns both once there are two, and a pattern matches some file."""

    def start(folder, pattern, *options):
        command = process("run", "toy", *options, "--devices", 2, "--out", folder)
        end = time.monotonic() + 300
        while time.monotonic() < end and command.poll() is None:
            child = second_process(psutil.Process(command.pid))
            if child and (pattern is None or list(folder.parent.rglob(pattern))):
                return command, child
            time.sleep(0.02)
        command.kill()  # it may be one that ends of nothing else
        raise AssertionError(command.communicate()[1])

    return start


def is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def assert_all_end(command, child):
    """Long before they would of themselves, with one message at most and no traceback; returns what was said."""
    end = time.monotonic() + 600
    _, output = command.communicate(timeout=600)
    while is_alive(child):
        assert time.monotonic() < end, "the other one lives on"
        time.sleep(0.05)
    assert "Traceback" not in output and output.count("error: ") <= 1, output
    return output


def test_two_processes_make_what_one_makes(toy, alone, process, tmp_path):
    run = tmp_path / "run"
    finish(process("run", "toy", *arguments(*MANY), "--devices", 2, "--out", run))
    assert digest(toy / "store") == digest(alone[1])
    assert_close(weights(run), weights(alone[0]))
    ours, theirs = (json.loads((folder / "scores.json").read_text()) for folder in (run, alone[0]))
    for model in ("teacher", "student"):
        assert ours[model]["overlap"]["value"] == pytest.approx(theirs[model]["overlap"]["value"], abs=1e-3)
    assert (run / "report.html").is_file() and not (run / ".ranks").exists() and not (run / "checkpoints").exists()
    # One process finds everything whole that two have made.
    assert "nothing to do" in finish(process("run", "toy", *arguments(*MANY), "--out", run))


def test_what_was_trained_on_one_device_keeps_its_recipe_when_two_make_the_report(alone, toy, process):
    run = alone[0]
    before = (run / "recipe.yaml").read_bytes()
    os.environ["KDKIT_HOME"] = str(run.parent)
    finish(process("run", "toy", *arguments(*MANY), "--devices", 2, "--from", "report", "--out", run))
    assert (run / "recipe.yaml").read_bytes() == before


@pytest.mark.parametrize(("first", "second"), [(2, 1), (1, 2)])
def test_a_training_cut_off_on_some_devices_goes_on_on_others(toy, alone, process, tmp_path, first, second):
    run, options = tmp_path / "run", arguments(*MANY, "training.epochs=4")
    # Not beside the run, which would take the student from there.
    reference = tmp_path / "elsewhere" / "reference"
    finish(process("run", "toy", *options, "--until", "distill", "--out", reference))
    words = ["kdkit", "run", "toy", *options, "--devices", str(first), "--until", "distill", "--out", str(run)]
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_TRAINING.format(words)], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list(run.rglob("epoch-1.ckpt"))
    output = finish(process("run", "toy", *options, "--devices", second, "--until", "distill", "--out", run))
    assert "begins anew" not in output
    assert_close(weights(run), weights(reference))


# Right after birth, in the generation, in the labelling, in the training.
MOMENTS = [None, "samples/*/*.safetensors", "targets/*/*.safetensors", "epoch-*.ckpt"]


@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("moment", MOMENTS)
def test_both_end_when_one_is_killed_and_the_next_run_goes_on(toy, alone, family, process, moment, victim, tmp_path):
    run = toy / "run"
    command, child = family(run, moment, *arguments(*ENDLESS))
    (command if victim == 0 else child).send_signal(signal.SIGKILL)
    output = assert_all_end(command, child)
    assert command.returncode == (-signal.SIGKILL if victim == 0 else 1)
    assert "was killed" in output or victim == 0
    finish(process("run", "toy", *arguments(*MANY), "--out", tmp_path / "again"))
    assert digest(toy / "store") == digest(alone[1])
    assert digest(tmp_path / "again") == digest(alone[0])


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("number", "code", "whole_group"), [(15, 143, False), (15, 143, True), (2, 130, True)])
def test_both_end_when_they_are_stopped(toy, family, moment, number, code, whole_group):
    command, child = family(toy / "run", moment, *arguments(*ENDLESS))
    (os.killpg if whole_group else os.kill)(command.pid, number)
    output = assert_all_end(command, child)
    assert command.returncode == code
    assert "error: stopped\n  What was made so far is kept." in output


def test_a_failure_in_the_evaluation_ends_both(toy, family):
    failing = (*MANY, "evaluation.metrics=[{name: overlap, fail: true}]")
    command, child = family(toy / "run", None, *arguments(*failing))
    output = command.communicate(timeout=300)[1]
    assert command.returncode == 1 and output.count("error: ") == 1 and "cannot measure" in output
    assert not is_alive(child)


def test_a_failure_of_the_second_process_is_told_by_the_first(toy, family):
    # The second process makes every second shard, and one of these breaks.
    failing = (*MANY, "generator.fail_at=40", "trainer.workers=1")
    command, child = family(toy / "run", None, *arguments(*failing))
    output = assert_all_end(command, child)
    assert command.returncode == 1 and "disc 40 is broken" in output


def test_torchrun_starts_the_processes_as_well(toy, alone, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(KDKIT)]
    options = ["run", "toy", *arguments(*MANY), "--devices", "2", "--out", str(tmp_path / "run")]
    finished = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    assert digest(toy / "store") == digest(alone[1])
    assert_close(weights(tmp_path / "run"), weights(alone[0]))
    assert finished.stdout.count("Report:") == 1


def test_tasks_of_srun_work_together(toy, alone, tmp_path):
    """As srun starts them: with SLURM's variables in place of a launcher's."""
    step = {"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_ID": "7"}
    step |= {"SLURM_JOB_NAME": "distil", "SLURM_NODEID": "0", "SLURM_NNODES": "1", "SLURM_NODELIST": "localhost"}
    step |= {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_NODES": "1", "MASTER_ADDR": "127.0.0.1"}
    command = [str(KDKIT), "run", "toy", *arguments(*MANY), "--devices", "2", "--out", str(tmp_path / "run")]
    tasks = [
        subprocess.Popen(
            command,
            env=os.environ | step | {"SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    outputs = [task.communicate(timeout=300) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], outputs
    assert digest(toy / "store") == digest(alone[1])
    assert_close(weights(tmp_path / "run"), weights(alone[0]))
    assert "Report:" in outputs[0][0] and outputs[1][0] == ""
