"""Look-up tables of DICOM: palettes (PS3.3 C.7.6.3.1.5) and VOI LUTs (C.11.2).

Their depth is often declared wrong, so it is judged by how many bytes there are and how large the entries become.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_COLOURS = ("Red", "Green", "Blue")


def voi_table(item: Any) -> tuple[np.ndarray, int]:
    """The table in an item of VOILUTSequence: uint8 (N,), and the value that its first entry is for."""
    entries, first, bits = _entries(item["LUTDescriptor"].value, item["LUTData"].value)
    return _eight_bits(entries, bits)[0], first


def palette(dataset: Any) -> tuple[np.ndarray, int, bool]:
    """The palette of a data set: uint8 RGB (N, 3), the value of its first entry, and whether it is as declared.

    Raises an error of any kind where it is missing or empty.
    """
    if "RedPaletteColorLookupTableData" not in dataset:
        return _segmented(dataset)
    tables = [
        _entries(
            dataset[f"{colour}PaletteColorLookupTableDescriptor"].value,
            dataset[f"{colour}PaletteColorLookupTableData"].value,
        )
        for colour in _COLOURS
    ]
    length = min(len(entries) for entries, _, _ in tables)
    _, first, bits = tables[0]
    # One depth for all three: a channel may hold hardly any colour.
    colours, as_declared = _eight_bits(np.stack([entries[:length] for entries, _, _ in tables], -1), bits)
    return colours, first, as_declared


def look_up(table: np.ndarray, first: int, values: np.ndarray) -> np.ndarray:
    """The entries of values; those beyond an end of the table have the entry there."""
    return table[np.clip(values.astype(np.int64) - first, 0, len(table) - 1)]


def _entries(descriptor: Sequence[int], data: Any) -> tuple[np.ndarray, int, int]:
    """The entries of a table as stored, the value of the first, and the bits that each is said to have."""
    count, first, bits = (int(value) for value in list(descriptor)[:3])
    count = count or 1 << 16
    if not isinstance(data, bytes | bytearray):
        data = np.atleast_1d(np.asarray(data)).astype("<u2").tobytes()
    wide = len(data) >= 2 * count or (len(data) not in (count, count + 1) and bits > 8)
    entries = np.frombuffer(data[: len(data) // 2 * 2], "<u2") if wide else np.frombuffer(data, np.uint8)
    if not len(entries):
        raise ValueError("a look-up table without entries")
    return entries[:count], first, bits


def _eight_bits(entries: np.ndarray, bits: int) -> tuple[np.ndarray, bool]:
    """Entries as uint8, and whether they have the depth that they are said to have."""
    most = int(entries.max())
    depth = 8 if most < 1 << 8 else bits if 8 < bits <= 16 and most < 1 << bits else 16
    return (entries >> (depth - 8)).astype(np.uint8), (depth > 8) == (bits > 8) or most == 0


def _segmented(dataset: Any) -> tuple[np.ndarray, int, bool]:
    from pydicom.pixels import apply_color_lut

    count, first, _ = (int(value) for value in dataset.RedPaletteColorLookupTableDescriptor)
    table = apply_color_lut(np.arange(first, first + (count or 1 << 16), dtype=np.uint32), dataset)[..., :3]
    return (table >> (8 * table.itemsize - 8)).astype(np.uint8), first, True
