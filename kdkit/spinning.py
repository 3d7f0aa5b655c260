"""How long threads that share a computation wait for each other before they sleep."""

from __future__ import annotations

import os

# Rounds that GNU's OpenMP waits in; its own 300,000 are about a millisecond.
ROUNDS = 10_000
# Either of these says that the user has decided.
_ROUNDS, _POLICY = "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"


def limit_spinning() -> None:
    """Have threads that wait for others give the processor away soon; torch must not have been imported yet.

    A thread that waits in rounds takes the processor from the very one that it waits for, where another program runs
    beside: a step of training then takes many times as long as on one thread. On a quiet machine nothing is lost
    by fewer rounds. For this process, and those that it starts.
    """
    if _ROUNDS not in os.environ and _POLICY not in os.environ:
        os.environ[_ROUNDS] = str(ROUNDS)
