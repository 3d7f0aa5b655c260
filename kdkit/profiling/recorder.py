"""A listener of a command's progress that writes down how long every piece of work took, and what torch did in it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from kdkit.profiling.sampler import Sampler, Usage
from kdkit.progress import Bar, Progress

# Operations are recorded from the begin of each piece of work until either is over: each is an event in memory, and
# recording slows a training down.
OPERATION_SECONDS = 5.0
OPERATION_STEPS = 10
# Of those that take the most time.
OPERATIONS = 12
# Kineto, torch's library for this, prints past Python what it does, and where there is no GPU that it has found none.
# What goes wrong with a recording torch raises.
_SILENT = "99"


@dataclass(frozen=True)
class Operation:
    """An operation of torch in this process: seconds in itself alone, and how often it was called."""

    name: str
    seconds: float
    calls: int


@dataclass
class Work:
    """A piece of work. ``start``, ``stop``: seconds since the profile's start. ``steps``: how many of its ``unit``.

    ``operations``: of the first ``observed`` seconds, or ``observed_steps`` reports to its bar, batches in training;
    the longest first.
    """

    stage: str
    what: str
    unit: str
    start: float
    stop: float = 0.0
    steps: int = 0
    observed: float = 0.0
    observed_steps: int = 0
    operations: list[Operation] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.stop - self.start


@dataclass(frozen=True)
class Profile:
    """``seconds``: of everything but the profiler. ``works``: in the order of their begin, not inside each other.

    ``profiler``: seconds that starting torch's profiler, stopping it and reading it took. They are in no other time:
    the clock stood still.
    """

    seconds: float
    works: list[Work]
    usages: list[Usage]
    profiler: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


class Recorder:
    """A :class:`Progress` that passes everything on to another, between ``start`` and ``stop``."""

    def __init__(self, listener: Progress) -> None:
        self.listener = listener
        self.works: list[Work] = []
        self._begin = time.perf_counter()
        self._profiler = 0.0
        self._sampler = Sampler(self.now)
        self._is_working = False

    def now(self) -> float:
        """Seconds since the start, without those of the profiler."""
        return time.perf_counter() - self._begin - self._profiler

    def start(self) -> None:
        self._begin = time.perf_counter()
        self._sampler.start()

    def stop(self) -> Profile:
        """What was recorded."""
        usages = self._sampler.stop()
        return Profile(self.now(), self.works, usages, self._profiler)

    @contextmanager
    def work(self, stage: str, what: str, total: int, unit: str, done: int = 0) -> Iterator[Bar]:
        if self._is_working:  # a part of the work under way
            with self.listener.work(stage, what, total, unit, done) as bar:
                yield bar
            return
        # Around the listener's own bar, which tells the user how long the work took.
        operations = _Operations(self)
        work = Work(stage, what, unit, self.now())
        self.works.append(work)
        self._is_working = True
        try:
            with self.listener.work(stage, what, total, unit, done) as bar:
                yield _CountedBar(bar, work, operations)
        finally:
            work.stop = self.now()
            self._is_working = False
            operations.stop()
            operations.write(work)

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """What is done inside the block is the profiler's own: it takes no time, and the machine is not watched."""
        begin = time.perf_counter()
        with self._sampler.paused():
            try:
                yield
            finally:
                self._profiler += time.perf_counter() - begin

    def say(self, stage: str, what: str, text: str) -> None:
        self.listener.say(stage, what, text)


class _CountedBar:
    """Counts the steps of a work, and ends the recording of its operations in time."""

    def __init__(self, bar: Bar, work: Work, operations: _Operations) -> None:
        self.bar, self.work, self.operations = bar, work, operations

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.bar.advance(steps, note)
        self.work.steps += steps
        self.operations.count_step()


class _Operations:
    """Torch's profiler over the begin of a work, where torch is loaded by then."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder, self.is_recording = recorder, False
        self.profiler: Any = None
        self.steps, self.seconds = 0, 0.0
        torch: Any = sys.modules.get("torch")
        if torch is not None:
            os.environ.setdefault("KINETO_LOG_LEVEL", _SILENT)
            with recorder.set_aside():
                self.profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
                self.profiler.start()
            self.is_recording = True
        self.begin = recorder.now()

    def count_step(self) -> None:
        """One more is done; after the last one that is to be recorded the recording ends."""
        if not self.is_recording:
            return
        self.steps += 1
        if self.steps >= OPERATION_STEPS or self.recorder.now() - self.begin >= OPERATION_SECONDS:
            self.stop()

    def stop(self) -> None:
        """End the recording; again it does nothing."""
        if not self.is_recording:
            return
        self.is_recording = False
        self.seconds = self.recorder.now() - self.begin
        with self.recorder.set_aside():
            self.profiler.stop()

    def write(self, work: Work) -> None:
        """What was recorded, into the work. Once it is over: to read it takes seconds."""
        if self.profiler is None:
            return
        work.observed, work.observed_steps = self.seconds, self.steps
        with self.recorder.set_aside():
            events = sorted(self.profiler.key_averages(), key=lambda event: event.self_cpu_time_total, reverse=True)
        work.operations = [
            Operation(event.key, event.self_cpu_time_total / 1e6, event.count) for event in events[:OPERATIONS]
        ]
