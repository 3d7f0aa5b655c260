"""Whenever a run is killed or stopped, the next one ends with the very bytes of one that nobody disturbed."""

import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from fork_server import ForkServer, second_process

from kdkit.stages.pipeline import STAGE_NAMES

pytestmark = pytest.mark.slow

# Kills of a whole process group in each stage, and of one of two processes in all.
KILLS = int(os.environ.get("KDKIT_TEST_KILLS", "50"))
SETTINGS = (
    *("generator.size=128", "samples.train=64", "samples.validation=4", "samples.evaluation=64", "training.epochs=4"),
    *("training.batch_size=16", "controls=[]", "trainer.accelerator=cpu"),
)
TOY = Path(__file__).parents[2] / "toy"
# The stages in which two processes work. What two train has bytes of its own: numbers are added up in another order.
TOGETHER = ["generate", "label", "distill", "predict"]


class Runs:
    """Runs of one recipe in one folder, which is laid out anew as often as it is needed."""

    def __init__(self, root: Path, server: ForkServer) -> None:
        self.home = root / "home"
        self.log = root / "log"
        self.server = server

    def start(self, last: str, *options: object) -> int:
        settings = [part for setting in SETTINGS for part in ("--set", setting)]
        self.log.unlink(missing_ok=True)
        return self.server.start(
            *(self.log, "run", "toy", *settings, "--until", last, "--out", self.home / "run", *options),
            environment=os.environ | {"KDKIT_HOME": str(self.home), "PYTHONPATH": str(TOY)},
            path=[str(TOY), *sys.path],
        )

    def finish(self, last: str, *options: object) -> None:
        assert self.server.wait(self.start(last, *options)) == 0, self.log.read_text()

    def wait_for_begin(self) -> None:
        """Until the command says what it does: from then on it answers signals by itself."""
        end = time.monotonic() + 600
        while not self.log.is_file() or not self.log.stat().st_size:
            assert time.monotonic() < end
            time.sleep(0.002)

    def lay_out(self, template: Path | None) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        if template:
            shutil.copytree(template, self.home)

    def content(self) -> dict[str, bytes]:
        """Everything whose bytes do not depend on the time of day or the speed of the machine."""
        names = ("*.safetensors", "scores.json", "cases.csv", "recipe.yaml")
        return {str(p.relative_to(self.home)): p.read_bytes() for name in names for p in self.home.rglob(name)}

    def leftovers(self) -> list[Path]:
        names = ("*.partial", "lock.json*", ".ranks", "checkpoints")
        return [path for name in names for path in self.home.rglob(name)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, fork_server):
    return Runs(tmp_path_factory.mktemp("kills"), fork_server)


@pytest.fixture(scope="module")
def stages(runs, tmp_path_factory):
    """By stage: a copy of the folder before it, the seconds that it takes, and the content after the last one."""
    templates, seconds = {}, {}
    runs.lay_out(None)
    runs.home.mkdir()
    for stage in STAGE_NAMES:
        templates[stage] = tmp_path_factory.mktemp("before") / stage
        shutil.copytree(runs.home, templates[stage])
        runs.finish(stage)
    content = runs.content()
    for stage in STAGE_NAMES:  # once more: the first time, everything is slow
        runs.lay_out(templates[stage])
        process = runs.start(stage)
        runs.wait_for_begin()
        start = time.monotonic()
        assert runs.server.wait(process) == 0, runs.log.read_text()
        seconds[stage] = time.monotonic() - start
    return templates, seconds, content


def strike_often(runs, stages, stage, number, count):
    """Begin a stage and send its process group a signal at any moment of it, until ``count`` were hit.

    After each the run is ended, and its content compared. Yields what :meth:`ForkServer.wait` gave.
    """
    templates, seconds, expected = stages
    chance, span, hits = random.Random(f"{stage} {number}"), seconds[stage], 0
    for _ in range(10 * count):
        runs.lay_out(templates[stage])
        process = runs.start(stage)
        runs.wait_for_begin()
        time.sleep(chance.uniform(0, span))
        with suppress(ProcessLookupError):
            os.killpg(process, number)
        end = runs.server.wait(process)
        yield end
        runs.finish("report")
        assert runs.content() == expected
        assert not runs.leftovers()
        hits += end != 0
        if hits == count:
            return
        if end == 0:  # today the machine is faster than it was
            span *= 0.8
    raise AssertionError(f"only {hits} were hit")


@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_a_run_that_is_killed_in_a_stage_ends_as_if_it_had_not_been(runs, stages, stage):
    for end in strike_often(runs, stages, stage, signal.SIGKILL, KILLS):
        assert end in (0, -signal.SIGKILL), runs.log.read_text()


@pytest.mark.parametrize("stage", STAGE_NAMES)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped_in_a_stage_says_so_and_goes_on(runs, stages, stage, number, code):
    for end in strike_often(runs, stages, stage, number, max(2, KILLS // 10)):
        output = runs.log.read_text()
        assert end in (0, code), output
        assert "Traceback" not in output and ("error: stopped" in output) == (end == code)


@pytest.fixture(scope="module")
def trained_by_two(runs, stages):
    """The content of a run that two processes trained, undisturbed."""
    runs.lay_out(stages[0]["distill"])
    runs.finish("report", "--devices", 2)
    return runs.content()


@pytest.mark.parametrize("stage", TOGETHER)
def test_two_processes_of_which_one_is_killed_end_as_if_none_had_been(runs, stages, trained_by_two, stage):
    templates, _, by_one = stages
    expected, options = (trained_by_two, ("--devices", 2)) if stage == "distill" else (by_one, ())
    chance = random.Random(stage)
    for number in range(max(2, -(-KILLS // len(TOGETHER)))):
        runs.lay_out(templates[stage])
        process = runs.start(stage, "--devices", 2)
        first, second = psutil.Process(process), None
        while first.status() != psutil.STATUS_ZOMBIE and not (second := second_process(first)):
            time.sleep(0.02)
        assert second, runs.log.read_text()
        time.sleep(chance.uniform(0, 8))
        victim = [first, second][number % 2]
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        runs.server.wait(process)
        psutil.wait_procs([second], timeout=600)
        assert not second.is_running() or second.status() == psutil.STATUS_ZOMBIE
        runs.finish("report", *options)
        assert runs.content() == expected
        assert not runs.leftovers()
