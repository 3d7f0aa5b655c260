"""Memory that was freed is kept for what comes next, where the C library can do so and the user does not object."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from kdkit import allocation

# Asks for blocks and frees them, again and again, and prints how many pages the system provided for the last rounds.
COUNT_PAGES = """
import resource, numpy
from kdkit.allocation import keep_freed_memory
if {keep}:
    print(keep_freed_memory())
def pages(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        blocks = [numpy.ones(size) for size in (700_000, 900_000, 5_000_000, 300_000)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
pages(5)
print(pages(20))
"""


def plain_environment() -> dict[str, str]:
    """This process's, without a word on how memory is kept."""
    return {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"}


def run(keep: bool, **variables: str) -> list[str]:
    code = COUNT_PAGES.format(keep=keep)
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=plain_environment() | variables, capture_output=True, text=True, check=True)
    return result.stdout.split()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_blocks_are_used_again_without_asking_the_system() -> None:
    (given_back,) = run(False)
    kept, pages = run(True)
    assert kept == "True"
    assert int(pages) < int(given_back) / 20


@pytest.mark.parametrize(
    "settings",
    [
        {"MALLOC_TRIM_THRESHOLD_": "100000", "MALLOC_MMAP_THRESHOLD_": "100000"},
        {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=100000:glibc.malloc.mmap_threshold=100000"},
    ],
    ids=["variables", "tunables"],
)
def test_what_the_user_has_set_stays(settings: dict[str, str]) -> None:
    kept, pages = run(True, **settings)
    assert kept == "False"
    assert int(pages) > 1000


# Asks for 2.7 GB, of which it touches nothing, frees all of it, and prints how much the heap has shrunk.
FREE_MUCH = """
import ctypes
from kdkit.allocation import keep_freed_memory
assert keep_freed_memory()
library = ctypes.CDLL(None)
library.malloc.restype = library.sbrk.restype = ctypes.c_void_p
library.malloc.argtypes = library.sbrk.argtypes = [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
blocks = [library.malloc(300 << 20) for _ in range(9)]
largest = library.sbrk(0)
for block in reversed(blocks):
    library.free(block)
print(largest - library.sbrk(0))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_more_than_two_gigabytes_are_kept_as_well() -> None:
    command = [sys.executable, "-c", FREE_MUCH]
    result = subprocess.run(command, env=plain_environment(), capture_output=True, check=True)
    assert int(result.stdout) == 0


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert allocation.keep_freed_memory.__wrapped__() is False
