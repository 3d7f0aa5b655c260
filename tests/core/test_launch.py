"""A process is one of several only where a launcher says so."""

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
