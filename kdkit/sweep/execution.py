"""Running the points of a sweep: one after the other, or each in a process of its own."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from kdkit.errors import KdkitError
from kdkit.exits import describe_end, refuse_exits
from kdkit.plugins.registry import discover
from kdkit.progress import Progress, Silence
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import RunFolder
from kdkit.runs.run import Run
from kdkit.stages import label
from kdkit.stages.pipeline import STAGES, run_stages
from kdkit.stopping import defer_interruptions
from kdkit.sweep.plan import Point, run_folder
from kdkit.workers import PATIENCE, follow_parent, limit_worker_threads

# Seconds that a process gets to end by itself when the sweep is stopped.
_GRACE = 5.0
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def run_points(
    points: Sequence[Point], folder: Path, root: Path, jobs: int, progress: Progress
) -> Iterator[tuple[Point, str]]:
    """Bring every point's run up to date; yields each as it ends, with what went wrong, "" when nothing did.

    ``folder``: the sweep's; ``root``: the shared store's. With several ``jobs`` samples and targets are still made
    here, once; the rest of each point runs in a process with one thread, and on one of the GPUs where the recipe lets
    it run on any. Raises :class:`KeyboardInterrupt` when
    stopped, after every process has ended.
    """
    if jobs == 1:
        for point in points:
            yield point, _failure(run_stages, _make_run(point, folder, root, progress))
        return
    labelled_points = []
    for point in points:
        run = _make_run(point, folder, root, progress)
        failure = _failure(run_stages, run, None, label.NAME)
        if failure or _is_whole(run):
            yield point, failure
        else:
            labelled_points.append(point)
    yield from _run_in_processes(labelled_points, folder, root, jobs)


def _make_run(point: Point, folder: Path, root: Path, progress: Progress) -> Run:
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
class _PointProcess:
    """A point under way; ``failure``: where its process sends what went wrong."""

    point: Point
    process: SpawnProcess
    failure: Connection
    device: str | None


def _run_in_processes(points: Sequence[Point], folder: Path, root: Path, jobs: int) -> Iterator[tuple[Point, str]]:
    """Each point in a process of its own: one that is killed takes no other with it."""
    waiting_points = list(reversed(points))
    processes: list[_PointProcess] = []
    devices = _devices(points)
    with limit_worker_threads(), defer_interruptions() as (ignore_interruptions, check):
        try:
            while waiting_points or processes:
                check()
                while waiting_points and len(processes) < jobs:
                    with ignore_interruptions(), _see_only(_least_used(devices, processes)):
                        processes.append(_start(waiting_points.pop(), folder, root))
                sentinels = [point_process.process.sentinel for point_process in processes]
                ready_sentinels = multiprocessing.connection.wait(sentinels, PATIENCE)
                for point_process in [p for p in processes if p.process.sentinel in ready_sentinels]:
                    processes.remove(point_process)
                    yield point_process.point, _receive_failure(point_process)
            check()
        finally:
            for point_process in processes:
                point_process.process.terminate()
            for point_process in processes:
                point_process.process.join(_GRACE)
                point_process.process.kill()
                point_process.process.join()


def _start(point: Point, folder: Path, root: Path) -> _PointProcess:
    # spawn: forking a process that has loaded torch can deadlock.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    arguments = (point.domain, point.config, point.settings, run_folder(folder, point).path, root, sender)
    process = context.Process(target=_run_point, args=arguments)
    process.start()
    sender.close()
    return _PointProcess(point, process, receiver, os.environ.get(_VISIBLE))


def _devices(points: Sequence[Point]) -> list[str]:
    """The GPUs that processes are spread over; none where there are none, or a recipe names what it runs on."""
    hardware = [point.experiment.recipe.trainer for point in points]
    if not all(h.accelerator in ("auto", "gpu", "cuda") and h.devices in (1, "1", "auto") for h in hardware):
        return []
    if visible := os.environ.get(_VISIBLE):
        return visible.split(",")
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def _least_used(devices: Sequence[str], processes: Sequence[_PointProcess]) -> str | None:
    used = Counter(point_process.device for point_process in processes)
    return min(devices, key=lambda device: used[device], default=None)


@contextmanager
def _see_only(device: str | None) -> Iterator[None]:
    """A process that starts meanwhile sees this GPU alone, and sources that ask for one take it, too."""
    before = os.environ.get(_VISIBLE)
    if device is not None:
        os.environ[_VISIBLE] = device
    try:
        yield
    finally:
        if device is not None and before is None:
            del os.environ[_VISIBLE]
        elif before is not None:
            os.environ[_VISIBLE] = before


def _receive_failure(point_process: _PointProcess) -> str:
    point_process.process.join()
    with point_process.failure:
        try:
            return str(point_process.failure.recv())
        except EOFError:
            return f"its process {describe_end(point_process.process.exitcode or 0)}"


def _run_point(
    domain: str, config: Path | None, settings: tuple[str, ...], folder: Path, root: Path, failure: Connection
) -> None:
    """In a process of its own: one point from its targets to its report."""
    follow_parent()

    def run() -> None:
        experiment = load_experiment(discover(), domain, config, settings)
        run_stages(Run(experiment, RunFolder(folder), root, Silence()))

    with (
        refuse_exits(),
        suppress(KeyboardInterrupt),
    ):  # raised in a training when the sweep, which is stopped, ends this process
        failure.send(_failure(run))
