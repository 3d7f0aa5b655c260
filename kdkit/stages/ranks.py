"""Several processes at work on one run: the first leads, and all of them end when one does.

What they say to each other lies in files beside the run's lock, one for each process, which is all that machines with
a shared folder have in common at every stage. A process on the same machine is known to be dead at once, one on
another when its file is no longer touched.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from kdkit import launch, stopping
from kdkit.atomic import read_json, write_json
from kdkit.errors import KdkitError, StoreError
from kdkit.exits import describe_end, end_process
from kdkit.launch import Place
from kdkit.launch import place as place
from kdkit.owner import host, is_running, process_start
from kdkit.runs.lock import BEAT_SECONDS, STALE_SECONDS, Holder, hold

# Beside the lock; a file for each process.
RANKS = ".ranks"
POLL_SECONDS = 0.2
# How long a process waits for the first one to begin: machines of a cluster start a job minutes apart.
_BEGIN_SECONDS = 600.0
# How long the main thread gets to end by itself once it is known that the group has to end.
_GRACE_SECONDS = 4.0
# How long a failure that may be the echo of another process's death waits for that to be known.
_ECHO_SECONDS = 3.0
# How long the others get to notice that everything is done.
_LEAVE_SECONDS = 10.0
# After another process was stopped, how long this one's own signal may take: Ctrl-C reaches all of them.
_SIGNAL_SECONDS = 1.5
WORKING, DONE, FAILED, STOPPED = "working", "done", "failed", "stopped"


@dataclass(frozen=True)
class Member:
    """What a process says of itself. ``stages``: those that the first process has begun, in order."""

    launch: str
    process: int
    host: str
    started: float
    state: str = WORKING
    message: str = ""
    remedy: str = ""
    stages: list[str] = field(default_factory=list)


class _StopError(KdkitError):
    """Another process was asked to end."""


class Group:
    """The processes that work on a run, seen from one of them.

    ``former``: who worked on it before and ended without giving its lock up, if anybody did.
    """

    former: Holder | None = None

    def __init__(self, folder: Path, place: Place, number: int, release: Callable[[], None]) -> None:
        self.place = place
        self._release = release
        self._caller = threading.current_thread()
        self._folder = folder / RANKS
        # A process may work on several runs, one after the other.
        launch_name = f"{place.launch} {number}"
        self._own = Member(launch_name, os.getpid(), host(), process_start(os.getpid()) or 0.0)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self.failure: KdkitError | None = None

    @property
    def leads(self) -> bool:
        return self.place.rank == 0

    def start(self, count: int, machines: int) -> None:
        """Start the processes that are to help from here on, unless a launcher has started them."""
        if self.place.size == 1 and count * machines > 1:
            self.place = launch.start_processes(count, machines)
            self._own = replace(self._own, launch=f"{self.place.launch} {self._own.launch.rpartition(' ')[2]}")
            self.begin()

    def begin(self) -> None:
        """Be one of the group: the first process opens it, the others wait for that. Then watch the others."""
        if self.leads:
            shutil.rmtree(self._folder, ignore_errors=True)  # of processes that were killed
        if self.place.size == 1:
            return
        if not self.leads:
            self._wait_for_leader()
        self._write()
        threading.Thread(target=self._watch, daemon=True).start()

    def announce(self, stage: str) -> None:
        """The first process begins with a stage, so that the others do."""
        if self.place.size > 1:
            self._own = replace(self._own, stages=[*self._own.stages, stage])
            self._write()

    def has_announced(self) -> bool:
        """Whether the first process, which is this one, has begun with anything that others take part in."""
        return bool(self._own.stages)

    def announced_stages(self) -> Iterator[str]:
        """What the first process begins with, as it does so, to its end."""
        count = 0
        while True:
            leader = self._read(0)
            stages = leader.stages if leader else []
            yield from stages[count:]
            count = max(count, len(stages))
            if leader is not None and leader.state == DONE:
                return
            if failure := self.find_failure():
                raise failure
            time.sleep(POLL_SECONDS)

    def find_failure(self) -> KdkitError | None:
        """Why the group has to end, None while there is no reason."""
        if not self.leads:
            return self._failure_of(0)
        child = launch.dead_process()
        for number in range(1, self.place.size):
            if failure := self._failure_of(number):
                return failure
        return _death(f"a process that worked along (number {child.pid})", child.returncode) if child else None

    def close(self, error: BaseException | None) -> None:
        """Say how it ended. After a success the first process waits until the others have seen that."""
        with self._lock:
            self._closed.set()
        if self.place.size == 1:
            return
        state, message, remedy = DONE, "", ""
        if isinstance(error, KdkitError):
            state, message, remedy = FAILED, error.message, error.remedy
        elif error is not None:
            is_stop = isinstance(error, KeyboardInterrupt)
            state, message = (STOPPED, "") if is_stop else (FAILED, f"{type(error).__name__}: {error}")
        self._own = replace(self._own, state=state, message=message, remedy=remedy)
        leader = self._read(0)
        if not self.leads and (leader is None or not self._is_alive(0, leader)):
            return  # nobody reads it, and it would be left behind
        with suppress(StoreError):
            self._write()
        if not self.leads:
            return
        if error:
            launch.end_processes()
        end = time.monotonic() + (_GRACE_SECONDS if error else _LEAVE_SECONDS)
        while time.monotonic() < end and any(self._is_working(number) for number in range(1, self.place.size)):
            time.sleep(POLL_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def stop_watching(self) -> None:
        """From here on the calling thread, which is about to end, is interrupted no more."""
        for _ in range(2):  # what interrupts the first attempt was sent before
            with suppress(KeyboardInterrupt), self._lock:
                self._closed.set()

    def has_to_say(self) -> bool:
        """Whether it is for this process to tell why it ends: the first one, or the second when that was killed."""
        if self.leads or self.place.rank > 1:
            return self.leads
        leader = self._read(0)
        return leader is not None and leader.state == WORKING and not self._is_alive(0, leader)

    def _wait_for_leader(self) -> None:
        end = time.monotonic() + _BEGIN_SECONDS
        while not self._is_working(0):
            if time.monotonic() > end:
                raise StoreError(
                    f"process {self.place.rank} of {self.place.size} waited {_BEGIN_SECONDS:.0f} s for the first one",
                    f"All of them must see the same files in {self._folder.parent}.",
                )
            time.sleep(POLL_SECONDS)

    def _watch(self) -> None:
        beat = time.monotonic()
        while not self._closed.wait(POLL_SECONDS * 2):
            if time.monotonic() - beat > BEAT_SECONDS:
                beat = time.monotonic()
                with suppress(OSError):
                    os.utime(self._file(self.place.rank))
            if not stopping.is_asked() and (failure := self.find_failure()):
                if (
                    self._closed.wait(_SIGNAL_SECONDS if isinstance(failure, _StopError) else 0)
                    or stopping.is_asked()
                ):
                    continue
                self._end(failure)
                return
            if stopping.seconds_since() > _GRACE_SECONDS:
                self._end_at_once("stopped", "What was made so far is kept. Run the same command again.")

    def _end(self, failure: KdkitError) -> None:
        """Have the calling thread raise the failure; it may be waiting for the dead, and then ends without."""
        with self._lock:
            if self._closed.is_set():
                return
            self.failure = failure
            if self._caller is threading.main_thread():
                signal.pthread_kill(self._caller.ident or 0, signal.SIGINT)
        if not self._closed.wait(_GRACE_SECONDS):
            self._end_at_once(failure.message, failure.remedy)

    def _end_at_once(self, message: str, remedy: str) -> None:
        with self._lock:
            if self._closed.is_set():
                return
            with suppress(OSError, ValueError):  # perhaps nobody reads it any more
                if self.has_to_say():
                    sys.stderr.write(f"error: {message}\n  {remedy}\n")
                    sys.stderr.flush()
            launch.end_processes()
            self._release()
            end_process(1 if self.failure else stopping.exit_code())

    def _failure_of(self, number: int) -> KdkitError | None:
        member = self._read(number)
        who = f"the process of rank {number}"
        if member is None:
            # Of the others nothing is known before they have begun.
            return StoreError(f"{who} has ended") if number == 0 and not self.leads else None
        if member.state == STOPPED:
            return _StopError(f"{who} was stopped", "Run the same command again: it goes on where it stopped.")
        if member.state == FAILED:
            return KdkitError(member.message, member.remedy)
        if member.state == WORKING and not self._is_alive(number, member):
            return _death(f"{who} (number {member.process})", launch.exit_code_of(member.process))
        return None

    def _is_working(self, number: int) -> bool:
        member = self._read(number)
        return member is not None and member.state == WORKING and self._is_alive(number, member)

    def _is_alive(self, number: int, member: Member) -> bool:
        if member.host == host():
            return is_running(member.process, member.started)
        try:
            return time.time() - self._file(number).stat().st_mtime < STALE_SECONDS
        except OSError:
            return False

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.json"

    def _read(self, number: int) -> Member | None:
        """What a process of this launch says of itself; None if it says nothing."""
        try:
            member = Member(**read_json(self._file(number)))
        except TypeError:
            return None
        return member if member.launch == self._own.launch else None

    def _write(self) -> None:
        write_json(self._file(self.place.rank), asdict(self._own))


def _death(who: str, code: int | None) -> KdkitError:
    """``code``: what it ended with, where that is known."""
    how = describe_end(-signal.SIGKILL if code is None else code)
    return KdkitError(f"{who} {how}", "What was made so far is kept; run the same command again.")


def rank() -> int:
    """The number of this process among those that work together; 0 when it is alone or the first."""
    return place().rank


_numbers = itertools.count()


@contextmanager
def take_part(folder: Path) -> Iterator[Group]:
    """Work on the run in a folder as one of a group; the first process holds its lock meanwhile, for all of them.

    Raises what a process that failed has failed with, in the first process; the others end without a word.
    """
    number = next(_numbers)
    # A process may have gone on after it was asked to end, as a notebook does.
    stopping.forget()
    if rank() != 0:
        launch.follow_launcher()
        group = Group(folder, place(), number, lambda: None)
        with _membership(group):
            yield group
        return
    with hold(folder) as lock:
        group = Group(folder, place(), number, lock.release)
        group.former = lock.former
        with _membership(group):
            yield group


@contextmanager
def _membership(group: Group) -> Iterator[None]:
    try:
        group.begin()
        yield
    except BaseException as error:
        group.stop_watching()
        failure = _reason(group, error)
        # What another process has died or failed of, this one has nothing to add to.
        has_to_say = group.has_to_say()
        group.close(failure)
        if not has_to_say:
            launch.report()
        if failure is error:
            raise
        raise failure from None
    group.close(None)


def _reason(group: Group, error: BaseException) -> BaseException:
    """What is to be told: the failure of another process, of which ``error`` may be no more than an echo."""
    if group.failure:
        return group.failure
    if stopping.is_asked():
        return error if isinstance(error, KeyboardInterrupt) else KeyboardInterrupt()
    if group.place.size > 1 and not isinstance(error, KdkitError | KeyboardInterrupt):
        end = time.monotonic() + _ECHO_SECONDS
        while time.monotonic() < end:
            if failure := group.find_failure():
                return failure
            time.sleep(POLL_SECONDS)
    return error


def wait_until(done: Callable[[], bool], what: str, seconds: float = 24 * 3600) -> None:
    """Return when ``done()`` holds. Raises :class:`StoreError` after ``seconds`` without it."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise StoreError(f"waited {seconds:.0f} s for {what}, which other processes should have written")
        time.sleep(POLL_SECONDS)
