"""What a user's CSV file says of a table: rows of numbers, or the bounds of columns."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

import numpy as np

from kdkit import DataError, Defect

Scale = Literal["linear", "log", "whole"]
SCALES: tuple[Scale, ...] = ("linear", "log", "whole")
FEWEST_ROWS = 10
# A line longer than this is no row of a table.
SAMPLE_CHARACTERS = 4096


def read_rows(path: Path) -> tuple[np.ndarray, list[Defect]]:
    """The rows of a file with a header, float64 (rows, columns), and a defect for each that has an empty field.

    Raises :class:`kdkit.DataError` for a file that is no table of numbers, or has fewer than :data:`FEWEST_ROWS`.
    """
    header, lines = _read(path)
    rows, defects = [], []
    for number, fields in lines:
        if any(not field.strip() for field in fields):
            defects.append(Defect("empty-field", f"line {number}", f"{path.name}, line {number}", dropped=True))
        else:
            rows.append([_number(path, number, name, field) for name, field in zip(header, fields, strict=True)])
    if len(rows) < FEWEST_ROWS:
        raise DataError(
            f"{path}: has {len(rows)} rows without an empty field, fewer than {FEWEST_ROWS}",
            "Give the bounds of the columns instead (bounds or ranges).",
        )
    return np.array(rows), defects


def read_bounds(path: Path) -> dict[str, tuple[float, float, Scale]]:
    """The bounds of a table's columns, from a file with the columns ``column, low, high`` and perhaps ``scale``.

    Raises :class:`kdkit.DataError` for anything else.
    """
    header, lines = _read(path)
    names = [name.strip().lower() for name in header]
    missing = [name for name in ("column", "low", "high") if name not in names]
    if missing:
        raise DataError(
            f"{path}: has no column {' and no column '.join(missing)}; there are {', '.join(header)}",
            "Write a line column,low,high and below it one for each column of the table, say age,18,90.",
        )
    ranges: dict[str, tuple[float, float, Scale]] = {}
    for number, fields in lines:
        row = dict(zip(names, fields, strict=True))
        name, scale = row["column"].strip(), row.get("scale", "").strip() or "linear"
        low, high = (_number(path, number, end, row[end]) for end in ("low", "high"))
        if name in ranges:
            raise DataError(f"{path}, line {number}: {name} stands there twice")
        if scale not in SCALES:
            raise DataError(f"{path}, line {number}: the scale {scale} is none of {', '.join(SCALES)}")
        if low > high or (scale == "log" and low <= 0):
            raise DataError(f"{path}, line {number}: from {low:g} to {high:g} is no {scale} range that rises")
        ranges[name] = (low, high, cast("Scale", scale))
    if not ranges:
        raise DataError(f"{path}: has no line below its header")
    return ranges


def _read(path: Path) -> tuple[list[str], list[tuple[int, Sequence[str]]]]:
    """The header, and each line below it that is not empty with its number."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [*csv.reader(text.splitlines(), delimiter=_delimiter(text))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no CSV file: {error}") from error
    if not lines:
        raise DataError(f"{path}: is empty")
    numbered = [(number, line) for number, line in enumerate(lines[1:], 2) if line]
    for number, line in numbered:
        if len(line) != len(lines[0]):
            raise DataError(f"{path}, line {number}: has {len(line)} fields, and the header {len(lines[0])}")
    return lines[0], numbered


def _delimiter(text: str) -> str:
    header = text[:SAMPLE_CHARACTERS].partition("\n")[0]
    return max(",;\t", key=header.count)


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            f"{path}, line {line}: {column} is {text.strip()!r}, no number",
            "Write numbers with a point, and leave out columns of text.",
        )
    return number
