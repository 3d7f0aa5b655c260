"""A command that is stopped says so, leaves nothing running, and goes on when it is run again."""

import io
import os
import signal
import time

import numpy as np
import pytest


def wait_for(condition, seconds=600):
    """Until something has happened, however busy the machine is; the test fails when it does not."""
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
def test_stopping_a_training_says_so_and_keeps_its_checkpoint(toy, fork_server, tmp_path, number, code):
    log, endless = tmp_path / "log", ("--set", "training.epochs=1000000", "--set", "samples.train=6")
    command = fork_server.start(log, "run", "toy", *endless)
    wait_for(lambda: list(toy.rglob("epoch-*.ckpt")))
    os.killpg(command, number)
    assert fork_server.wait(command) == code
    output = log.read_text()
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
    _, output = command.communicate(timeout=600)
    assert command.returncode == code
    assert "error: stopped" in output and "Traceback" not in output
    wait_for(lambda: not alive(command.pid))


@pytest.mark.slow
def test_stopping_a_prediction_keeps_what_was_predicted(trained, process, tmp_path):
    clips, out = many_clips(tmp_path), tmp_path / "out"
    command = process("predict", trained, clips, "--out", out)
    wait_for(lambda: list(out.rglob("*.npz")) or command.poll() is not None)
    assert_stops(command)
    made = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    for path in sorted(clips.iterdir())[100:]:  # they are made in this order, and the rest takes long
        path.unlink()
    again = process("predict", trained, clips, "--out", out)
    output = again.communicate(timeout=300)[1]
    assert again.returncode == 0, output
    kept = [path for path in made if (clips / path.with_suffix(".npy").name).exists()]
    assert kept and all(path.stat().st_mtime_ns == made[path] for path in kept)


@pytest.mark.slow
def test_stopping_an_evaluation_keeps_what_was_predicted(trained, process, toy, tmp_path):
    clips = many_clips(tmp_path)
    for path in list(clips.iterdir()):
        path.with_suffix(".mask").write_bytes(mask_file())
    before = sorted(clips.iterdir())
    command = process("evaluate", trained, "--data", clips)
    store = toy / "store" / "predictions"
    wait_for(lambda: list(store.rglob("*.npz")) or command.poll() is not None)
    assert_stops(command)
    assert list(store.rglob("*.npz")) and not list(store.rglob("*.partial"))
    assert sorted(clips.iterdir()) == before


def many_clips(root):
    folder = root / "clips"
    folder.mkdir()
    for number in range(1500):
        np.save(folder / f"{number:04}.npy", np.full((8, 16, 16), number % 200, np.uint8))
    return folder


def mask_file():
    buffer = io.BytesIO()
    np.save(buffer, np.eye(16, dtype=np.uint8)[None].repeat(8, 0))
    return buffer.getvalue()


def assert_stops(command):
    """As a cluster or a service manager stops it: with one sentence of what is kept."""
    command.terminate()
    _, output = command.communicate(timeout=600)
    assert command.returncode == 143, output
    assert "error: stopped\n  What was made so far is kept." in output and output.count("error: ") == 1
    assert "Traceback" not in output


def test_workers_end_when_the_command_is_killed(toy, process):
    command = process("generate", "toy", *ENDLESS)
    wait_for(lambda: list(toy.rglob("*.safetensors")) or command.poll() is not None)
    command.kill()
    command.wait(timeout=600)
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
