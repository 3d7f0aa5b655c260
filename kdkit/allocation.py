"""Keeping memory that was freed for what comes next, instead of giving it back to the system each time."""

from __future__ import annotations

import ctypes
import os
from functools import cache

# Of glibc's malloc.h, and the values that its manual describes for them (mallopt(3)).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_NEVER = -1
# The largest block that is kept; older versions of the library take no more than the second.
_LARGEST_KEPT = (1 << 30, 32 << 20)
# What it asks the system for at once.
_GROWTH = 64 << 20


@cache
def keep_freed_memory() -> bool:
    """Have this process keep the memory that it has freed; whether its library can do that (glibc on Linux does).

    A step of training frees the tensors that the next one asks for again. Large ones are given back and asked for
    anew, page by page, which costs a network of few channels a tenth of its step. The process holds as much as it
    needed at once, until it ends. Where the user has set one of glibc's own variables (``MALLOC_...``, or
    ``glibc.malloc...`` in ``GLIBC_TUNABLES``) nothing is changed.
    """
    if "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "") or any(n.startswith("MALLOC_") for n in os.environ):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, another system
        return False
    if not any(set_option(_MMAP_THRESHOLD, largest) for largest in _LARGEST_KEPT):
        return False
    return bool(set_option(_TRIM_THRESHOLD, _NEVER) and set_option(_TOP_PAD, _GROWTH))
