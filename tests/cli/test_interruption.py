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


def test_a_run_that_ends_well_leaves_nothing_for_others_to_see(toy, cli):
    assert cli("run", "toy", "--set", "samples.train=6", "--set", "controls=[]", "--until", "distill").code == 0
    (run,) = (toy / "toy").iterdir()
    assert {path.name for path in run.iterdir()} == {"history", "manifest.json", "recipe.yaml", "student"}


ENDLESS = ("--set", "samples.train=1000000", "--set", "generator.size=128", "--set", "trainer.workers=2")


@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow), (signal.SIGTERM, 143)]
)
def test_stopping_a_training_says_so_and_keeps_its_checkpoint(toy, process, number, code):
    command = process("run", "toy", "--set", "training.epochs=1000000", "--set", "samples.train=6")
    wait_for(lambda: list(toy.rglob("epoch-*.ckpt")) or command.poll() is not None)
    os.killpg(command.pid, number)
    _, output = command.communicate(timeout=60)
    assert command.returncode == code
    assert "error: stopped\n  What was made so far is kept. Run the same command again" in output
    assert "Traceback" not in output
    assert list(toy.rglob("epoch-*.ckpt"))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_stopping_a_generation_in_workers_says_so_and_ends_them(toy, process, number, code):
    command = process("generate", "toy", *ENDLESS)
    wait_for(lambda: list(toy.rglob("*.safetensors")) or command.poll() is not None)
    os.killpg(command.pid, number)
    _, output = command.communicate(timeout=60)
    assert command.returncode == code
    assert "error: stopped" in output and "Traceback" not in output
    wait_for(lambda: not alive(command.pid))


def test_workers_end_when_the_command_is_killed(toy, process):
    command = process("generate", "toy", *ENDLESS)
    wait_for(lambda: list(toy.rglob("*.safetensors")) or command.poll() is not None)
    command.kill()
    command.wait(timeout=60)
    wait_for(lambda: not alive(command.pid))


def test_what_a_killed_worker_was_making_is_made_by_another(toy, process):
    command = process("generate", "toy", *ENDLESS)
    wait_for(lambda: list(toy.rglob("*.safetensors")) or command.poll() is not None)
    first = worker_of(command.pid)
    os.kill(first, signal.SIGKILL)
    count = len(list(toy.rglob("*.safetensors")))
    wait_for(lambda: len(list(toy.rglob("*.safetensors"))) > count + 8 or command.poll() is not None)
    assert command.poll() is None
    (store,) = (toy / "store" / "samples").iterdir()
    starts = sorted(int(path.name[:8]) for path in store.glob("*.safetensors"))
    assert starts[: len(starts) // 2] == [i * starts[1] for i in range(len(starts) // 2)], "none was left out"


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
