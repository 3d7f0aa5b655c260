"""Whenever a run is killed or stopped, the next one ends with the very bytes of one that nobody disturbed."""

import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from fork_server import ForkServer

from kdkit.stages.pipeline import STAGE_NAMES

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KDKIT_TEST_KILLS", "50"))
SETTINGS = (
    *("generator.size=128", "samples.train=64", "samples.validation=4", "samples.evaluation=64", "training.epochs=4"),
    *("training.batch_size=16", "controls=[]", "trainer.accelerator=cpu"),
)
TOY = Path(__file__).parents[2] / "toy"


class Runs:
    """Runs of one recipe in one folder, which is laid out anew as often as it is needed."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.log = root / "log"
        self.server = ForkServer(os.environ | {"KDKIT_HOME": str(self.home), "PYTHONPATH": str(TOY)})

    def start(self, last: str, *options: object) -> int:
        settings = [part for setting in SETTINGS for part in ("--set", setting)]
        return self.server.start(
            self.log, "run", "toy", *settings, "--until", last, "--out", self.home / "run", *options
        )

    def finish(self, last: str, *options: object) -> None:
        assert self.server.wait(self.start(last, *options)) == 0, self.log.read_text()

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
def runs(tmp_path_factory):
    runs = Runs(tmp_path_factory.mktemp("kills"))
    yield runs
    runs.server.close()


@pytest.fixture(scope="module")
def stages(runs, tmp_path_factory):
    """By stage: a copy of the folder before it, the seconds that it takes, and the content after the last one."""
    templates, seconds = {}, {}
    runs.lay_out(None)
    runs.home.mkdir()
    for stage in STAGE_NAMES:
        templates[stage] = tmp_path_factory.mktemp("before") / stage
        shutil.copytree(runs.home, templates[stage])
        start = time.monotonic()
        runs.finish(stage)
        seconds[stage] = time.monotonic() - start
    return templates, seconds, runs.content()


def strike(runs, process, number):
    with suppress(ProcessLookupError):
        os.killpg(process, number)
    return runs.server.wait(process)


@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_a_run_that_is_killed_in_a_stage_ends_as_if_it_had_not_been(runs, stages, stage):
    templates, seconds, expected = stages
    chance, killed = random.Random(stage), 0
    for _ in range(KILLS):
        runs.lay_out(templates[stage])
        process = runs.start(stage)
        time.sleep(chance.uniform(0, 0.4 * seconds[stage]))  # the first time, which was measured, is slow
        killed += strike(runs, process, signal.SIGKILL) == -signal.SIGKILL
        runs.finish("report")
        assert runs.content() == expected
        assert not runs.leftovers()
    assert killed, "none was killed while it ran"


@pytest.mark.parametrize("stage", STAGE_NAMES)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped_in_a_stage_says_so_and_goes_on(runs, stages, stage, number, code):
    templates, seconds, expected = stages
    chance, stopped, span = random.Random(stage), 0, 0.8 * seconds[stage]
    for _ in range(max(4, KILLS // 10)):
        runs.lay_out(templates[stage])
        process = runs.start(stage)
        time.sleep(chance.uniform(0.25, 1) * span)
        end = strike(runs, process, number)
        if end == 0:  # the first time, which was measured, is slow
            span /= 2
        assert end in (0, code), runs.log.read_text()
        output = runs.log.read_text()
        assert "Traceback" not in output and ("error: stopped" in output) == (end == code)
        stopped += end == code
        runs.finish("report")
        assert runs.content() == expected
        assert not runs.leftovers()
    assert stopped


@pytest.mark.parametrize("stage", ["generate", "label", "predict"])
def test_two_processes_of_which_one_is_killed_end_as_one_would(runs, stages, stage):
    """Training on two devices adds up in another order: its bytes are its own."""
    import psutil

    templates, _, expected = stages
    chance = random.Random(stage)
    for number in range(max(2, KILLS // 5)):
        runs.lay_out(templates[stage])
        process = runs.start(stage, "--devices", 2)
        first = psutil.Process(process)
        while first.status() != psutil.STATUS_ZOMBIE and not first.children():
            time.sleep(0.02)
        children = first.children()
        time.sleep(chance.uniform(0, 8))
        victim = [first, *children][number % 2]
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        struck = time.monotonic()
        runs.server.wait(process)
        psutil.wait_procs(children, timeout=10)
        assert time.monotonic() - struck < 10 or number % 2 == 0
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
        runs.finish("report")
        assert runs.content() == expected
        assert not runs.leftovers()
