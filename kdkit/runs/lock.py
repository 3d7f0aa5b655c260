"""One writer for a run's folder: an advisory lock that says who holds it, and that a dead process gives up.

On the holder's own machine it is alive while its process is; from another machine, while its heartbeat, the lock
file's time of change, is recent.
"""

from __future__ import annotations

import getpass
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from kdkit.errors import StoreError, unwritable
from kdkit.owner import host, is_running, process_start

LOCK = "lock.json"
BEAT_SECONDS = 5.0
# Without a heartbeat for so long, a holder on another machine counts as dead. File systems that are shared may show
# a change only after half a minute.
STALE_SECONDS = 60.0
# A process writes its lock within moments of creating it, and takes a dead one away as fast.
_MOMENT_SECONDS = 10.0
# No process has such a number, and in so many seconds the year is 2106: whoever claims more has not written a lock.
_MOST = 1 << 32


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. ``started``, ``since``: seconds of the epoch, of the process and of the lock."""

    owner: str
    host: str
    process: int
    started: float
    since: float
    token: str

    @property
    def is_here(self) -> bool:
        return self.host == host()

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since).strftime("%Y-%m-%d %H:%M:%S")
        place = "" if self.is_here else f" on {self.host.partition(' ')[0]}"
        return f"process {self.process} of {self.owner}{place} since {since}"


class RunLock:
    """The lock of the run in a folder; held by one process at a time.

    ``former``: the dead process that it was taken over from, if there was one.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / LOCK
        self.token = uuid.uuid4().hex
        self.former: Holder | None = None

    def acquire(self) -> None:
        """Hold the lock; one of a dead process is taken over. Raises :class:`StoreError` at once if another lives.

        A lock that says of nobody yet is one that is being written, or its process was killed just then: after a
        moment one knows.
        """
        patience = time.monotonic() + 2 * _MOMENT_SECONDS
        while not self._create():
            if self._remove_dead():
                continue
            if self.holder() is not None or time.monotonic() > patience:
                raise self._refusal()
            time.sleep(0.05)

    def release(self) -> None:
        """Give the lock up, unless another has taken it over; an empty folder goes with it."""
        holder = self.holder()
        if holder is not None and holder.token == self.token:
            self.file.unlink(missing_ok=True)
            with suppress(OSError):
                self.file.parent.rmdir()

    def beat(self) -> None:
        """Show that the holder lives."""
        with suppress(OSError):
            os.utime(self.file)

    def holder(self) -> Holder | None:
        """Who holds the lock, alive or dead; None if nobody does, or the file is not written to its end."""
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        match content:
            case {
                "owner": str(owner),
                "host": str(machine),
                "process": int(process),
                "started": float() | int() as started,
                "since": float() | int() as since,
                "token": str(token),
            } if 0 < process < _MOST and 0 <= since < _MOST:
                return Holder(owner, machine, process, started, since, token)
        return None

    def is_alive(self) -> bool:
        """Whether a living process holds the lock."""
        try:
            age = time.time() - self.file.stat().st_mtime
        except OSError:
            return False
        holder = self.holder()
        if holder is None:
            return age < _MOMENT_SECONDS
        return is_running(holder.process, holder.started) if holder.is_here else age < STALE_SECONDS

    def _create(self) -> bool:
        start = process_start(os.getpid()) or time.time()
        holder = Holder(_user(), host(), os.getpid(), start, time.time(), self.token)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("x", encoding="utf-8") as file:
                json.dump(asdict(holder), file)
        except FileExistsError:
            if not self.file.parent.is_dir():
                raise StoreError(f"{self.file.parent} is no folder", "Choose another one with --out.") from None
            return False
        except FileNotFoundError:
            return False  # another run has just removed the empty folder
        except OSError as error:
            with suppress(OSError):
                self.file.unlink()
            raise unwritable(str(self.file), error, "choose another place with --out or KDKIT_HOME.") from error
        return True

    def _remove_dead(self) -> bool:
        """Take a dead lock away; False if its holder lives.

        Only who has created the file beside it may remove a lock, so that nobody removes the one that another has
        just made in the dead one's place.
        """
        if self.is_alive():
            return False
        permit = self.file.with_name(f"{LOCK}.takeover")
        try:
            permit.touch(exist_ok=False)
        except FileExistsError:
            with suppress(OSError):
                if time.time() - permit.stat().st_mtime > _MOMENT_SECONDS:
                    permit.unlink()
            time.sleep(0.05)
            return True
        except FileNotFoundError:
            return True
        try:
            if not self.is_alive():
                self.former = self.holder()
                self.file.unlink(missing_ok=True)
        finally:
            permit.unlink(missing_ok=True)
        return True

    def _refusal(self) -> StoreError:
        holder = self.holder()
        folder = self.file.parent
        if holder is None:
            return StoreError(f"another run has just begun in {folder}", "Wait until it has ended.")
        remedy = "Wait until it has ended, or choose another folder with --out."
        if holder.is_here:
            remedy = f"Wait until it has ended, stop it (kill {holder.process}), or choose another folder with --out."
        else:
            remedy += f" If that machine is gone, the folder is free after {STALE_SECONDS:.0f} seconds."
        return StoreError(f"{folder} is being written by {holder}", remedy)


@contextmanager
def hold(folder: Path) -> Iterator[RunLock]:
    """Hold the lock of a run's folder. Raises :class:`StoreError` at once if another process does."""
    lock = RunLock(folder)
    lock.acquire()
    released = threading.Event()

    def beat() -> None:
        while not released.wait(BEAT_SECONDS):
            lock.beat()

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield lock
    finally:
        released.set()
        lock.release()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number without a name
        return str(os.getuid()) if hasattr(os, "getuid") else "somebody"
