"""Hostile files for readers: whole small files that were cut, patched, enlarged or replaced.

A few cases of each in every run, two thousand under the marker slow; the same ones in every run. Around each case
stands a clock; the fixture ``limited_memory`` bounds the address space.
"""

import faulthandler
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdkit import DataError

FEW, MANY = 25, 2000
HANGS = 600
"""Seconds for one case, after which the process is ended with a traceback: a hang, or nearly one."""

counts = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


HEADS = [b"", b"RIFF\xff\xff\xff\xffAVI LIST", b"\0\0\0\x20ftypisom", b"GIF89a", bytes(128) + b"DICM", b"#EXTM3U\n"]
HEADS += [b"\x1f\x8b\x08", b"FileName,EF,Split\n", b"\x5c\x01\0\0", b"ffconcat version 1.0\nfile whole.avi\n"]
NUMBERS = [0, 1, 2, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


@st.composite
def files(draw, seeds):
    """The bytes of a whole file after up to four injuries, or bytes from nowhere."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(HEADS)) + draw(st.binary(max_size=600))
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        # Half of all injuries hit the header, where numbers of things are claimed.
        place = draw(st.integers(0, min(len(data), 400) if draw(st.booleans()) else len(data)))
        kind = draw(st.sampled_from(["cut", "number", "number", "bytes", "insert", "remove", "text"]))
        if kind == "cut":
            del data[place:]
        elif kind == "number":
            order, size = draw(st.sampled_from("<>")), draw(st.sampled_from("BHI"))
            value = draw(st.sampled_from(NUMBERS)) & (256 ** struct.calcsize(size) - 1)
            data[place : place + struct.calcsize(size)] = struct.pack(order + size, value)
        elif kind == "bytes":
            new = draw(st.binary(min_size=1, max_size=8))
            data[place : place + len(new)] = new
        elif kind == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=40))
        elif kind == "remove":
            del data[place : place + draw(st.integers(1, 40))]
        else:
            told = ["-1", "0", "99999999999", "nan", "inf", "1e308", "../../x", ",", '"', "\n", "\0", "é", " "]
            new = draw(st.sampled_from(told)).encode()
            data[place : place + draw(st.integers(0, 6))] = new
    return bytes(data)


def tried(count, strategy, check):
    """Check this many cases of the strategy; the same ones in every run."""

    @settings(
        max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def run(case):
        faulthandler.dump_traceback_later(HANGS, exit=True)
        try:
            check(case)
        finally:
            faulthandler.cancel_dump_traceback_later()

    run()


def given_or_refused(reader, path):
    """What the reader gives, None after a DataError that names the file."""
    try:
        return reader(path)
    except DataError as error:
        assert path.name in error.message, error.message
        return None
