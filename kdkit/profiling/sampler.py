"""What this process and its children use of the machine, looked at several times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

SECONDS = 0.25
# Between two usages: processor time is counted too coarsely for less.
LEAST_SECONDS = SECONDS / 2


@dataclass(frozen=True)
class Usage:
    """The machine's use at a moment.

    ``time``: seconds since the start. ``cores``: processor cores in use since the moment before. ``memory``: bytes
    resident, of all processes together; pages that they share count more than once. ``read``, ``written``: bytes
    through files since the start, of the processes that are alive; zeros where the system does not tell.
    ``processes``: how many there are.
    """

    time: float
    cores: float
    memory: int
    read: int
    written: int
    processes: int


class Sampler:
    """Collects a :class:`Usage` every quarter of a second in a thread of its own, between ``start`` and ``stop``."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.usages: list[Usage] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._collect, daemon=True, name="kdkit-profile")
        self._process = psutil.Process()
        # Of processes that have ended: what they used still counts.
        self._cpu: dict[int, float] = {}
        self._bytes: dict[int, tuple[int, int]] = {}
        self._last = (0.0, 0.0)
        self._is_looking = threading.Lock()

    def start(self) -> None:
        self._look()
        self.usages.clear()
        self._thread.start()

    def stop(self) -> list[Usage]:
        """The usages collected, in order."""
        self._stop.set()
        self._thread.join()
        self._look(LEAST_SECONDS if self.usages else 0.0)
        return self.usages

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is used inside the block, in which the clock has to stand still, is in no usage."""
        with self._is_looking:
            self._read_processes()
            before = self._cpu_seconds()
            try:
                yield
            finally:
                self._read_processes()
                moment, cpu = self._last
                self._last = moment, cpu + self._cpu_seconds() - before

    def _collect(self) -> None:
        while not self._stop.wait(SECONDS):
            self._look(LEAST_SECONDS)

    def _look(self, least_seconds: float = 0.0) -> None:
        """Add a usage, unless less time has passed since the last one."""
        with self._is_looking:
            if self.clock() - self._last[0] >= least_seconds:
                self.usages.append(self._measure())

    def _measure(self) -> Usage:
        memory, count = self._read_processes()
        now, cpu = self.clock(), self._cpu_seconds()
        before, cpu_before = self._last
        self._last = now, cpu
        cores = max(0.0, cpu - cpu_before) / max(now - before, time.get_clock_info("perf_counter").resolution)
        read, written = (sum(values) for values in zip(*self._bytes.values(), strict=True)) if self._bytes else (0, 0)
        return Usage(now, cores, memory, read, written, count)

    def _cpu_seconds(self) -> float:
        return sum(self._cpu.values())

    def _read_processes(self) -> tuple[int, int]:
        """What each process has used until now; returns the bytes that all hold, and how many there are."""
        memory = count = 0
        for process in self._processes():
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    memory += process.memory_info().rss
                    self._cpu[process.pid] = times.user + times.system
                    if hasattr(process, "io_counters"):
                        counters = process.io_counters()
                        self._bytes[process.pid] = counters.read_chars, counters.write_chars
            except (psutil.Error, OSError, AttributeError):
                continue  # it has just ended, or the system does not tell
            count += 1
        return memory, count

    def _processes(self) -> Iterator[psutil.Process]:
        yield self._process
        try:
            yield from self._process.children(recursive=True)
        except psutil.Error:
            return
