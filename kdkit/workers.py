"""Work in several processes that ends well: by itself, when it is interrupted, and when its parent is killed."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")
_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """How many processor cores this process may use: those it is bound to, within its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _CGROUP_QUOTA.read_text(encoding="ascii").split()[:2]
        return max(1, min(cores, int(int(quota) / int(period)))) if quota != "max" else cores
    except (OSError, ValueError):
        return cores


def process_start(process: int) -> float | None:
    """When the process with this number began, in seconds of the epoch; None if there is none.

    With the number it names a process: numbers are used again.
    """
    import psutil  # a hundredth of a second that most commands can do without

    try:
        candidate = psutil.Process(process)
        return None if candidate.status() == psutil.STATUS_ZOMBIE else float(candidate.create_time())
    except psutil.AccessDenied:  # another user's, and there
        return 0.0
    except psutil.Error:
        return None


def is_running(process: int, start: float) -> bool:
    """Whether the process with this number is there and is the one that began at ``start``."""
    current = process_start(process)
    # The system's clock may have been set right in between; numbers do not come round within seconds.
    return current is not None and (current == 0.0 or abs(current - start) < 2.0)


# Seconds until an interruption is noticed while every worker is busy.
PATIENCE = 0.2


def map_in_processes(
    call: Callable[..., Result], arguments: Iterable[Any], workers: int, preload: Sequence[str] = ()
) -> Iterator[Result]:
    """``call(*argument)`` for each argument, in ``workers`` processes; yields results as they come.

    ``preload``: modules that are imported once for all processes, where the system can (a hint; importing them must
    start no thread). Only a few arguments wait in the pool at any time. Raises whatever a call raises,
    :class:`concurrent.futures.process.BrokenProcessPool` when a worker was killed, and :class:`KeyboardInterrupt`,
    each after the calls under way have ended. After an interruption their results still come: what was made is kept.
    """
    remaining = iter(arguments)
    with (
        limit_worker_threads(),
        defer_interruptions() as (ignore_interruptions, check),
        _pool(workers, preload) as pool,
    ):

        def submit(count: int) -> set[Future[Result]]:
            return {pool.submit(call, *argument) for argument in islice(remaining, count)}

        try:
            with ignore_interruptions():
                futures = submit(workers)
            futures |= submit(workers)
            while futures:
                try:
                    check()
                except KeyboardInterrupt:
                    pool.shutdown(cancel_futures=True)
                    yield from (future.result() for future in futures if _has_result(future))
                    raise
                done, futures = wait(futures, PATIENCE, return_when=FIRST_COMPLETED)
                futures |= submit(len(done))
                for future in done:
                    yield future.result()
            check()
        finally:
            pool.shutdown(cancel_futures=True)


def _has_result(future: Future[Any]) -> bool:
    return not future.cancelled() and future.exception() is None


def _pool(workers: int, preload: Sequence[str]) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, _context(preload), initializer=_begin, initargs=(dict(os.environ),))


def _context(preload: Sequence[str]) -> Any:
    """How processes are started: forking this one, which may run threads of torch or OpenCV, can deadlock.

    A server that has only imported what they need is forked instead; its memory is shared by all of them.
    """
    if not preload or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def _begin(environment: Mapping[str, str]) -> None:
    """What a worker does first. A server's workers have the environment of its start, not today's."""
    os.environ.clear()
    os.environ.update(environment)
    follow_parent()


def follow_parent() -> None:
    """In a worker: leave interruptions to the parent, and end when the parent does, however it was ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def defer_interruptions() -> Iterator[tuple[Callable[[], Any], Callable[[], None]]]:
    """Defer an interruption until it is safe to raise; yields two functions, ``ignore_interruptions`` and ``check``.

    Raised anywhere inside the pool's own code, KeyboardInterrupt can leave a lock closed for ever; ``check`` raises
    it where that is safe. ``ignore_interruptions`` is a context in which they are ignored, which new processes
    inherit: one interrupted while it starts would break the whole pool.
    """
    interruption = threading.Event()

    def check() -> None:
        if interruption.is_set():
            raise KeyboardInterrupt

    # Only the main thread is interrupted, and only it may say what then happens.
    is_main = threading.current_thread() is threading.main_thread()

    @contextmanager
    def handle_with(handler: Any) -> Iterator[None]:
        previous = signal.signal(signal.SIGINT, handler) if is_main else None
        try:
            yield
        finally:
            if is_main:
                signal.signal(signal.SIGINT, previous)

    with handle_with(lambda *_: interruption.set()):
        yield lambda: handle_with(signal.SIG_IGN), check


@contextmanager
def limit_worker_threads() -> Iterator[None]:
    """Limit each worker that starts to one thread: numeric libraries read these variables when first loaded."""
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    previous = {name: os.environ.get(name) for name in variables}
    os.environ.update(dict.fromkeys(variables, "1"))
    try:
        yield
    finally:
        for name, value in previous.items():
            _restore(name, value)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
