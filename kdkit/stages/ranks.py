"""Stages that Lightning does not run are done by rank 0 while the others wait for what it writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kdkit.errors import StoreError
from kdkit.launch import rank as rank
from kdkit.runs.lock import hold
from kdkit.runs.run import Run

POLL_SECONDS = 0.2


@contextmanager
def take_part(run: Run) -> Iterator[None]:
    """Work on a run: rank 0 holds its lock meanwhile, for every rank."""
    if rank() != 0:
        yield
        return
    with hold(run.folder.path):
        yield


def wait_until(done: Callable[[], bool], what: str, seconds: float = 24 * 3600) -> None:
    """Return when ``done()`` holds. Raises :class:`StoreError` after ``seconds`` without it."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise StoreError(f"waited {seconds:.0f} s for {what}, which rank 0 should have written")
        time.sleep(POLL_SECONDS)
