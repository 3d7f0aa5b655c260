"""Keeping torch to one thread; importing it loads torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """For the body of a ``with``, torch computes on one thread.

    For generators: more threads add numbers up in another order, and where a sample is made would change its bytes.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
