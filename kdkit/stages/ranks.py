"""Stages that Lightning does not run are done by rank 0 while the others wait for what it writes."""

from __future__ import annotations

import time
from collections.abc import Callable

from kdkit.errors import StoreError
from kdkit.launch import rank as rank

POLL_SECONDS = 0.2


def wait_until(done: Callable[[], bool], what: str, seconds: float = 24 * 3600) -> None:
    """Return when ``done()`` holds. Raises :class:`StoreError` after ``seconds`` without it."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise StoreError(f"waited {seconds:.0f} s for {what}, which rank 0 should have written")
        time.sleep(POLL_SECONDS)
