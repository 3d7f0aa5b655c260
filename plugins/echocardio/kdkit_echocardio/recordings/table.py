"""Reading the tables (.csv) that say what is in a folder."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

import numpy as np

from kdkit import DataError, Defect, check_ends

if TYPE_CHECKING:
    import pandas as pd

# Spreadsheets of other languages and their export of text write these.
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabulators"}
VIDEO_SUFFIXES = (".avi", ".mp4", ".mov")


def read_table(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    """A table as text: every column a string, "" where there is nothing, rows in the order of the file.

    Raises :class:`kdkit.DataError` when the file cannot be read, is no table, or lacks one of ``columns``.
    """
    check_ends(path)
    import pandas as pd  # takes most of a second, and a folder that is remembered needs no table

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas' on rows with more values than there are columns
            # Decoded here: pandas lets what is no UTF-8 through.
            text = io.StringIO(path.read_text(encoding="utf-8-sig"))
            table = pd.read_csv(text, dtype=str, keep_default_na=False, index_col=False)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a table in UTF-8", "Save it again as CSV in UTF-8.") from error
    except (ValueError, OverflowError) as error:  # pandas' own errors are ValueErrors
        raise DataError(f"{path} is not a table: {' '.join(str(error).split())}") from error
    table = table.fillna("").rename(columns=lambda name: str(name).strip())
    lacking = [name for name in columns if name not in table.columns]
    separator = next((s for s in _OTHER_SEPARATORS if len(table.columns) == 1 and s in table.columns[0]), None)
    if lacking and separator:
        raise DataError(
            f"{path} is separated by {_OTHER_SEPARATORS[separator]}, not by commas",
            "Save it again as CSV with commas, and decimal points in its numbers.",
        )
    if lacking:
        columns = ", ".join(map(str, table.columns[:12])) or "none"
        raise DataError(f"{path} lacks the columns {', '.join(lacking)}", f"It has {columns}.")
    return table.loc[:, ~table.columns.duplicated()]


def numbers_in(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """The columns as float64 (rows, columns), NaN where a text is no number."""
    import pandas as pd

    return table[[*columns]].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64, na_value=np.nan)


def header(path: Path) -> set[str]:
    """The names in the first line of a table; empty where there is none that can be read.

    Raises :class:`kdkit.DataError` for a pipe, a socket or a device.
    """
    check_ends(path)
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return {name.strip().strip('"') for name in file.readline(10_000).split(",")}
    except OSError:
        return set()


def stem(text: str) -> str | None:
    """The recording that a FileName means, with or without its suffix; None where it is no plain file name."""
    text = text.strip()
    if text.lower().endswith(VIDEO_SUFFIXES):
        text = text[:-4]
    plain = "\0" not in text and text not in ("", ".", "..")
    return text if plain and PurePosixPath(text).name == PureWindowsPath(text).name == text else None


class Row:
    """The values of one row; each that cannot be understood becomes a defect of the recording ``name``."""

    def __init__(self, name: str, values: Mapping[str, str], defects: list[Defect]) -> None:
        self.name, self._values, self._defects = name, values, defects

    def text(self, column: str) -> str | None:
        """The text in a column, None where there is no column or nothing in it."""
        return str(self._values.get(column, "")).strip() or None

    def number(self, column: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """The finite number in a column, ``low`` to ``high``; None where there is none."""
        text = self.text(column)
        if text is None:
            return None
        value = parsed(text)
        if value is None or not low <= value <= high:
            bounds = "" if value is None else f", which lies outside {low:g} to {high:g}"
            self._defects.append(Defect("unparsable-value", self.name, f"{column} is {text!r:.60}{bounds}", False))
            return None
        return value

    def whole(self, column: str, low: int, high: int = 10**9) -> int | None:
        """As :meth:`number`, a whole number."""
        value = self.number(column, low, high)
        if value is not None and value != int(value):
            self._defects.append(Defect("unparsable-value", self.name, f"{column} is {value:g}, not whole", False))
            return None
        return None if value is None else int(value)


def parsed(text: str) -> float | None:
    """The finite number that a text is, else None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def videos_in(folder: Path) -> dict[str, list[Path]]:
    """The videos of a folder by their names without suffix, several where only that differs, sorted.

    Raises :class:`kdkit.DataError` if the folder cannot be read.
    """
    try:
        files = sorted(p for p in folder.iterdir() if _is_video(p))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    videos: dict[str, list[Path]] = {}
    for path in files:
        videos.setdefault(path.stem, []).append(path)
    return videos


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not hidden(path.name) and path.is_file()


def hidden(name: str) -> bool:
    """Whether a name is of a file that no one means: macOS leaves ._clip.avi beside clip.avi."""
    return name.startswith(".")


def missing_file_defect(name: str, path: Path | None) -> Defect | None:
    """The defect of a recording without a file, or with an empty one; None where there is something to decode."""
    if path is None:
        return Defect("missing-file", name, "the index names it, but there is no such video", True)
    try:
        size = path.stat().st_size
    except OSError as error:
        return Defect("missing-file", name, f"{path.name}: {error.strerror or error}", True)
    return None if size else Defect("empty-file", name, f"{path.name} has 0 bytes", True)
