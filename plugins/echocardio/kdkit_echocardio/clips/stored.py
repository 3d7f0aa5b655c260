"""The pictures in the pixel data of a DICOM file, as they are stored: how many there are, and the values of each.

The pixel data are counted; NumberOfFrames, BitsAllocated and the photometric interpretation only decide where the
data fit several readings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kdkit import DataError

from .clip import check_extent

_AGAIN = "Export or copy it again."


@dataclass(frozen=True)
class Stored:
    """Pictures as stored. ``read``: the values of one, (H, W) or (H, W, 3), unsigned; ``count``: how many are there.

    ``first``: the compressed bytes of the first one, empty where it is not compressed.
    """

    count: int
    read: Callable[[int], np.ndarray]
    first: bytes = b""

    @cached_property
    def samples(self) -> list[np.ndarray]:
        """A few pictures from all over the clip, to judge their values by."""
        return [self.read(index) for index in sorted({0, self.count // 2, self.count - 1})]


def declared_count(dataset: Any) -> int | None:
    """NumberOfFrames; None where it is missing or no number above 0."""
    try:
        return max(0, int(dataset.get("NumberOfFrames") or 0)) or None
    except (TypeError, ValueError):
        return None


def uncompressed(path: Path, dataset: Any) -> Stored:
    """The pictures in pixel data that are not compressed. Raises :class:`kdkit.DataError` where data are missing."""
    rows, columns, channels = int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel") or 1)
    declared = declared_count(dataset)
    pixels, data = rows * columns, dataset.PixelData
    allocated = int(dataset.get("BitsAllocated") or 8)
    if allocated not in (8, 16, 32) or channels not in (1, 3) or not pixels:
        raise DataError(
            f"{path} holds pixels of {channels} x {allocated} bits, which are not read",
            "Export it again with 8 or 16 bits, in grey or RGB.",
        )
    depth = allocated // 8
    layouts = [(channels, depth), (channels, 3 - depth)] if depth < 3 else [(channels, depth)]
    if channels == 3 and depth == 1:
        half = str(dataset.get("PhotometricInterpretation", "")).endswith("_422")
        layouts = [(2, 1), (3, 1)] if half else [(3, 1), (2, 1)]
    channels, depth = _fitting(len(data), [(c, d, pixels * c * d) for c, d in layouts], declared)
    size = pixels * channels * depth
    count, rest = divmod(len(data), size)
    if rest > 1 and count < (declared or 1):
        raise DataError(f"{path} is truncated: {count} of {declared or 1} frames are there", _AGAIN)
    check_extent(path, count, columns, rows)
    order = "<" if dataset.original_encoding[1] is not False else ">"

    def read(index: int) -> np.ndarray:
        values = np.frombuffer(data, f"{order}u{depth}", pixels * channels, index * size)
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        if channels == 2:
            return _widened(values.reshape(-1, 4)).reshape(rows, columns, 3)
        return values.reshape((rows, columns) if channels == 1 else (rows, columns, 3))

    return Stored(count, read)


def _fitting(length: int, layouts: Sequence[tuple[int, int, int]], declared: int | None) -> tuple[int, int]:
    """Channels and bytes of the layout by which the data are the declared number of frames, else whole frames."""
    tests = (
        lambda size: length // size == declared and length % size <= 1,
        lambda size: length >= size and length % size <= 1,
        lambda size: True,
    )
    return next((channels, depth) for test in tests for channels, depth, size in layouts if test(size))


def _widened(pairs: np.ndarray) -> np.ndarray:
    """Two pixels each of four values: two luminances and the chrominances that both share (PS3.3, YBR_FULL_422)."""
    wide = np.empty((len(pairs), 2, 3), pairs.dtype)
    wide[..., 0] = pairs[:, :2]
    wide[..., 1:] = pairs[:, None, 2:]
    return wide
