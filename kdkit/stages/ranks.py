"""Which of several cooperating processes this one is.

Launchers (torchrun, SLURM, Lightning's own) start the same command several times and number the processes in the
environment. Stages that Lightning does not run are done by rank 0 while the others wait for what it writes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from kdkit.errors import StoreError

_VARIABLES = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
POLL_SECONDS = 0.2


def rank() -> int:
    """The number of this process, 0 when it is alone."""
    for variable in _VARIABLES:
        if os.environ.get(variable, "").isdigit():
            return int(os.environ[variable])
    return 0


def wait_until(done: Callable[[], bool], what: str, seconds: float = 24 * 3600) -> None:
    """Return when ``done()`` holds. Raises :class:`StoreError` after ``seconds`` without it."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise StoreError(f"waited {seconds:.0f} s for {what}, which rank 0 should have written")
        time.sleep(POLL_SECONDS)
