"""A command that is stopped says so, leaves nothing running, and goes on when it is run again."""

import os
import signal
import time

import pytest


def wait_for(condition, seconds=120):
    """Until something has happened; the test fails when it does not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


ENDLESS = ("--set", "samples.train=1000000", "--set", "generator.size=128", "--set", "trainer.workers=2")


def test_stopping_a_training_says_so_and_keeps_its_checkpoint(toy, process):
    command = process("run", "toy", "--set", "training.epochs=1000000", "--set", "samples.train=6")
    wait_for(lambda: list(toy.rglob("epoch-*.ckpt")) or command.poll() is not None)
    os.killpg(command.pid, signal.SIGINT)
    _, output = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "error: stopped\n  Run the same command again" in output
    assert "Traceback" not in output
    assert list(toy.rglob("epoch-*.ckpt"))


def test_stopping_a_generation_in_workers_says_so_and_ends_them(toy, process):
    command = process("generate", "toy", *ENDLESS)
    wait_for(lambda: list(toy.rglob("*.safetensors")) or command.poll() is not None)
    os.killpg(command.pid, signal.SIGINT)
    _, output = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "error: stopped" in output and "Traceback" not in output
    wait_for(lambda: not alive(command.pid))


def test_workers_end_when_the_command_is_killed(toy, process):
    command = process("generate", "toy", *ENDLESS)
    wait_for(lambda: list(toy.rglob("*.safetensors")) or command.poll() is not None)
    command.kill()
    command.wait(timeout=60)
    wait_for(lambda: not alive(command.pid))


def test_a_worker_that_is_killed_is_told_in_one_message(toy, process):
    command = process("generate", "toy", *ENDLESS)
    wait_for(lambda: list(toy.rglob("*.safetensors")) or command.poll() is not None)
    os.kill(worker_of(command.pid), signal.SIGKILL)
    _, output = command.communicate(timeout=60)
    assert command.returncode == 1
    assert "was killed" in output and "trainer.workers" in output and "Traceback" not in output


def worker_of(parent):
    """A process that makes samples: a child of the command that was started to do so."""
    processes = os.listdir("/proc") if os.path.isdir("/proc/self") else pytest.skip("needs /proc")  # noqa: PTH112, PTH208
    for name in filter(str.isdigit, processes):
        try:
            with open(f"/proc/{name}/stat") as file:  # noqa: PTH123
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline") as file:  # noqa: PTH123
                command = file.read()
        except OSError:
            continue
        if fields[1] == str(parent) and "spawn_main" in command:
            return int(name)
    raise AssertionError("no worker was found")
