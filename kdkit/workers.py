"""Work in several processes that ends well: by itself, when it is interrupted, and when its parent is killed."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from kdkit.allocation import keep_freed_memory
from kdkit.exits import describe_end, end_process, refuse_exits
from kdkit.stopping import defer_interruptions

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


# Which of a pool's processes this one is; set in the process itself.
_own_number = 0


def worker_number() -> int:
    """In a call of :func:`map_in_processes`: the number of its process, from 0; no two at once have the same."""
    return _own_number


# Seconds until an interruption is noticed while every worker is busy.
PATIENCE = 0.2


def map_in_processes(
    call: Callable[..., Result],
    arguments: Iterable[Any],
    workers: int,
    attempts: int = 1,
    preload: Sequence[str] = (),
) -> Iterator[Result]:
    """``call(*argument)`` for each argument, in ``workers`` processes; yields results as they come.

    A call whose process is killed is made again in a new one, ``attempts`` times at most in all. Raises whatever a
    call raises, :class:`concurrent.futures.process.BrokenProcessPool` when there are no attempts left, and
    :class:`KeyboardInterrupt`, each after the calls under way have ended. After an interruption their results still
    come: what was made is kept. ``preload``: modules that are imported once for all processes, where the system can;
    importing them must start no thread.
    """
    remaining = iter(arguments)
    again: list[_Task] = []
    numbers = list(range(workers))
    idle: list[_Worker] = []
    busy: dict[_Worker, _Task] = {}
    with limit_worker_threads(), defer_interruptions() as (ignore_interruptions, check):

        def start_calls() -> None:
            while len(busy) < workers:
                task = again.pop() if again else next((_Task(argument) for argument in remaining), None)
                if task is None:
                    return
                if not idle:
                    with ignore_interruptions():
                        idle.append(_Worker(preload, numbers.pop(0)))
                worker = idle.pop()
                busy[worker] = task
                worker.send(call, task.argument)

        def finish_calls() -> Iterator[tuple[bool, Any]]:
            for worker in _ready(busy):
                task = busy.pop(worker)
                reply = worker.receive()
                if reply is not None:
                    idle.append(worker)
                    yield reply
                    continue
                worker.end()
                numbers.append(worker.number)
                task.deaths += 1
                check()  # whoever stops the whole group has killed the worker, too
                if task.deaths >= attempts:
                    raise BrokenProcessPool(describe_end(worker.process.exitcode))
                again.append(task)

        try:
            start_calls()
            while busy:
                try:
                    check()
                except KeyboardInterrupt:
                    attempts = sys.maxsize  # what is killed now is not asked for any more
                    while busy:
                        yield from (value for is_result, value in finish_calls() if is_result)
                    raise
                for is_result, value in finish_calls():
                    if not is_result:
                        raise value
                    yield value
                start_calls()
            check()
        finally:
            for worker in (*idle, *busy):
                worker.end()


@dataclass
class _Task:
    """The arguments of a call, and how many processes were killed while they made it."""

    argument: Any
    deaths: int = 0


class _Worker:
    """A process that makes one call at a time, by a pipe: it needs no semaphores, which a kill would leave behind."""

    def __init__(self, preload: Sequence[str], number: int) -> None:
        self.number = number
        context = _context(preload)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, dict(os.environ), number))
        self.process.start()
        theirs.close()

    def send(self, call: Callable[..., Any], argument: Any) -> None:
        with suppress(OSError):  # it was killed, which shows when its reply is missing
            self.connection.send((call, argument))

    def receive(self) -> tuple[bool, Any] | None:
        """Whether there is a result, and it or the error; None from a process that was killed."""
        try:
            is_result, value = self.connection.recv()
        except (EOFError, OSError):
            return None
        return is_result, value

    def end(self) -> None:
        """Let it finish what it does, and end."""
        self.connection.close()
        self.process.join()


def _context(preload: Sequence[str]) -> Any:
    """How processes are started: forking this one, which may run threads of torch or OpenCV, can deadlock.

    A server that has only imported what they need is forked instead; its memory is shared by all of them.
    """
    if not preload or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def _ready(workers: Iterable[_Worker]) -> list[_Worker]:
    """Those that have replied or ended; none when an interruption has to be looked for first."""
    handles: dict[Any, _Worker] = {}
    for worker in workers:
        handles[worker.connection] = handles[worker.process.sentinel] = worker
    ready = multiprocessing.connection.wait(list(handles), PATIENCE)
    return list(dict.fromkeys(handles[handle] for handle in ready))


def _serve(connection: Connection, environment: Mapping[str, str], number: int) -> None:
    """In a worker: make the calls that come, until the other end is closed.

    A worker that was forked from a server has the environment of the server's start, not today's.
    """
    global _own_number
    _own_number = number
    os.environ.clear()
    os.environ.update(environment)
    follow_parent()
    keep_freed_memory()
    with suppress(EOFError, OSError), refuse_exits():
        while True:
            call, argument = connection.recv()
            try:
                reply = (True, call(*argument))
            except Exception as error:
                reply = (False, error)
            except BaseException as error:  # nobody interrupts a worker: it is foreign code that ends like this
                reply = (False, RuntimeError(f"{type(error).__name__}: {error}"))
            try:
                connection.send(reply)
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                what = reply[1] if not reply[0] else error
                connection.send((False, RuntimeError(f"{type(what).__name__}: {what}")))


def follow_parent() -> None:
    """In a worker: leave interruptions to the parent, and end when the parent does, however it was ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        end_process(1)

    threading.Thread(target=follow, daemon=True).start()


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
