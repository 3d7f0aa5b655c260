"""Running the points of a sweep: one after the other, or each in a process of its own."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from kdkit.errors import KdkitError
from kdkit.plugins.registry import discover
from kdkit.progress import Progress, Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import RunFolder
from kdkit.runs.run import Run
from kdkit.stages import label
from kdkit.stages.pipeline import STAGES, run_stages
from kdkit.stages.workers import PATIENCE, follow_parent, interruptions_noted, single_threaded
from kdkit.sweep.plan import Point, run_folder

# Seconds that a process gets to end by itself when the sweep is stopped.
_GRACE = 5.0


def run_points(
    points: Sequence[Point], folder: Path, root: Path, jobs: int, progress: Progress
) -> Iterator[tuple[Point, str]]:
    """Bring every point's run up to date; yields each as it ends, with what went wrong, "" when nothing did.

    ``folder``: the sweep's; ``root``: the shared store's. With several ``jobs`` samples and targets are still made
    here, once; the rest of each point runs in a process with one thread. Raises :class:`KeyboardInterrupt` when
    stopped, after every process has ended.
    """
    if jobs == 1:
        for point in points:
            yield point, _failure(run_stages, _prepared(point, folder, root, progress))
        return
    ready = []
    for point in points:
        run = _prepared(point, folder, root, progress)
        failure = _failure(run_stages, run, None, label.NAME)
        if failure or _is_whole(run):
            yield point, failure
        else:
            ready.append(point)
    yield from _in_processes(ready, folder, root, jobs)


def _prepared(point: Point, folder: Path, root: Path, progress: Progress) -> Run:
    return Run(point.experiment, run_folder(folder, point), root, progress)


def _is_whole(run: Run) -> bool:
    return all(stage.is_whole(run) for stage in STAGES)


def _failure(call: Callable[..., object], *arguments: object) -> str:
    """What went wrong in a call: a point that fails, in whatever way, must not end the sweep."""
    try:
        call(*arguments)
    except KdkitError as error:
        return str(error)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
    return ""


@dataclass(frozen=True)
class _Started:
    point: Point
    process: SpawnProcess
    answer: Connection


def _in_processes(points: Sequence[Point], folder: Path, root: Path, jobs: int) -> Iterator[tuple[Point, str]]:
    """Each point in a process of its own: one that is killed takes no other with it."""
    todo = list(reversed(points))
    running: list[_Started] = []
    with single_threaded(), interruptions_noted() as (starting, check):
        try:
            while todo or running:
                check()
                while todo and len(running) < jobs:
                    with starting():
                        running.append(_start(todo.pop(), folder, root))
                ended = multiprocessing.connection.wait([started.process.sentinel for started in running], PATIENCE)
                for started in [started for started in running if started.process.sentinel in ended]:
                    running.remove(started)
                    yield started.point, _answer_of(started)
            check()
        finally:
            for started in running:
                started.process.terminate()
            for started in running:
                started.process.join(_GRACE)
                started.process.kill()
                started.process.join()


def _start(point: Point, folder: Path, root: Path) -> _Started:
    # spawn: forking a process that has loaded torch can deadlock.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    asked = (point.domain, point.config, point.settings, run_folder(folder, point).path, root, there)
    process = context.Process(target=_run_point, args=asked)
    process.start()
    there.close()
    return _Started(point, process, here)


def _answer_of(started: _Started) -> str:
    started.process.join()
    with started.answer:
        try:
            return str(started.answer.recv())
        except EOFError:
            return f"its process was killed (exit code {started.process.exitcode}), perhaps for lack of memory"


def _run_point(
    domain: str, config: Path | None, settings: tuple[str, ...], folder: Path, root: Path, answer: Connection
) -> None:
    """In a process of its own: one point from its targets to its report."""
    follow_parent()

    def run() -> None:
        experiment = load_experiment(discover(), domain, config, settings)
        run_stages(Run(experiment, RunFolder(folder), root, Silence()))

    with suppress(KeyboardInterrupt):  # raised in a training when the sweep, which is stopped, ends this process
        answer.send(_failure(run))
