"""A process is one of several only where a launcher says so."""

import os
import signal
import subprocess
import sys

import pytest

from kdkit.launch import is_slurm_step, rank

MEETING = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
STEP = {"SLURM_NTASKS": "4", "SLURM_PROCID": "3", "SLURM_JOB_NAME": "distil"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 0),
        # torchrun, and Lightning's own processes.
        (MEETING | {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4"}, 3),
        (MEETING | {"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}, 1),
        (MEETING | {"LOCAL_RANK": "0", "NODE_RANK": "0", "WORLD_SIZE": "2"}, 0),
        # One process on each of two machines, before Lightning has started the others.
        (MEETING | {"NODE_RANK": "1"}, 1),
        # Numbers that mean nothing by themselves.
        ({"RANK": "1"}, 0),
        ({"LOCAL_RANK": "1"}, 0),
        ({"RANK": "1", "WORLD_SIZE": "2"}, 0),
        (MEETING | {"RANK": "1", "WORLD_SIZE": "1"}, 0),
        ({"SLURM_PROCID": "1"}, 0),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "1"}, 0),
        (MEETING | {"RANK": "one", "WORLD_SIZE": "2"}, 0),
        # srun.
        (STEP, 3),
        (STEP | {"SLURM_STEP_NUM_TASKS": "1"}, 0),
    ],
)
def test_rank(environment, expected):
    assert rank(environment) == expected


@pytest.mark.parametrize(
    "environment",
    [
        # The shell of an allocation: it has tasks to give away, and is none itself.
        {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "mine"},
        STEP | {"SLURM_JOB_NAME": "bash"},
        STEP | {"SLURM_JOB_NAME": "interactive"},
    ],
)
def test_an_allocation_is_no_step(environment):
    assert not is_slurm_step(environment)


def test_a_trainer_in_an_allocation_waits_for_nobody(monkeypatch, tmp_path):
    from lightning.fabric.plugins.environments import LightningEnvironment

    from kdkit.engine.trainer import make_trainer
    from kdkit.recipe.schema import Hardware

    for name, value in {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "4", "SLURM_JOB_NAME": "mine"}.items():
        monkeypatch.setenv(name, value)
    hardware = Hardware(accelerator="cpu", devices=2, strategy="ddp")
    trainer = make_trainer(hardware, tmp_path, [], enable_checkpointing=False)
    environment = trainer.strategy.cluster_environment
    assert isinstance(environment, LightningEnvironment) and not environment.creates_processes_externally


BORN = """
import os, sys, time
from kdkit import launch, stopping

if "RANK" in os.environ:
    time.sleep(1)  # as long as imports take
try:
    stopping.handle_signals()
    launch.follow_launcher()
    if launch.rank() == 0:
        launch.start_processes(2)
        print("born", flush=True)
    time.sleep(3600)
except KeyboardInterrupt:
    print(f"{launch.place().rank} stopped", flush=True)
    sys.exit(stopping.exit_code())
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_is_stopped_while_it_is_born_answers_when_it_can(number, code):
    pipe = subprocess.PIPE
    first = subprocess.Popen(
        [sys.executable, "-c", BORN],
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert first.stdout.readline() == "born\n"
    os.killpg(first.pid, number)
    output, errors = first.communicate(timeout=600)
    assert (sorted(output.split("\n")), errors) == (["", "0 stopped", "1 stopped"], "")
    assert first.returncode == code
