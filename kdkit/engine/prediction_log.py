"""What came of each file that was predicted, kept as it happens, so that an interrupted command goes on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kdkit.archives import local_file, member_stamp
from kdkit.atomic import write_csv, write_text
from kdkit.contracts.component import file_digest
from kdkit.errors import DataError, StoreError
from kdkit.progress import Bar

SUMMARY = "summary.csv"
LOG = ".predictions.jsonl"
PREVIEWS = "previews"
# The whole table is written again each time: at most once a second, and for a twentieth of the time.
_SECONDS_BETWEEN_SUMMARIES, _SHARE_FOR_SUMMARIES = 1.0, 0.05
# Points of a curve that a small picture can show, and the steps of each.
_MOST_POINTS, _STEPS = 96, 255


@dataclass(frozen=True)
class FileResult:
    """What came of a file: the ``row`` of the summary and the number of ``items`` in it, or why it was ``skipped``.

    ``digest``: SHA-256 of its content; ``stamp``: its size and time of change (:func:`stamp_of`).
    ``stem``: how the names of its results
    begin; ``written``: the files that the domain
    wrote for it, and ``preview``: what the page shows, ``picture`` (one of the files), ``curve``
    (:func:`encode_curve`) and ``marks``. ``duplicate_of``: the file of the same content whose results these are.
    """

    file: str
    digest: str
    stamp: str = ""
    row: Mapping[str, Any] = field(default_factory=dict)
    items: int = 0
    skipped: str = ""
    stem: str = ""
    written: Sequence[str] = ()
    preview: Mapping[str, Any] = field(default_factory=dict)
    duplicate_of: str = ""


class PredictionLog:
    """The results in a folder ``out``, one line each; those of another ``key`` (student, options) are forgotten.

    ``summary.csv`` is replaced as a whole about once a second: it is complete at any moment, if not up to date.
    ``bar`` moves on with each file that was predicted before.
    """

    def __init__(self, out: Path, key: str, paths: Sequence[Path], bar: Bar) -> None:
        self.out = out
        self._order = {str(path): number for number, path in enumerate(paths)}
        self._results: dict[str, FileResult] = {}
        self._next_summary = 0.0
        earlier = _read(out / LOG, key)
        there = _files_in(out) if earlier else set()
        for path in paths:
            result = earlier.get(str(path))
            if result is not None and _still_holds(result, path, there):
                self._results[result.file] = result
                bar.advance()
        for result in list(self._results.values()):
            original = self._results.get(result.duplicate_of)
            if result.duplicate_of and (original is None or original.digest != result.digest):
                del self._results[result.file]  # the results that it shared are another content's
                bar.advance(-1)
        # In one step, when every file has been looked at: stopped before, the next command finds the earlier log.
        lines = [{"key": key}, *map(asdict, self._results.values())]
        write_text(out / LOG, "".join(json.dumps(line) + "\n" for line in lines))

    def has(self, path: Path) -> bool:
        """Whether the file has been predicted already."""
        return str(path) in self._results

    def stems(self) -> set[str]:
        """How the names of the results so far begin."""
        return {result.stem for result in self._results.values()} - {""}

    def add(self, result: FileResult) -> None:
        """Keep a result. Raises :class:`StoreError` when the folder cannot be written."""
        self._results[result.file] = result
        try:
            with (self.out / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(result)) + "\n")
        except OSError as error:
            raise _unwritable(self.out / LOG, error) from error
        if time.monotonic() >= self._next_summary:
            self.write_summary()

    def results(self) -> list[FileResult]:
        """Every result in the order of the files."""
        return sorted(self._results.values(), key=lambda result: self._order[result.file])

    def write_summary(self) -> None:
        """Write a row for every file so far: what the domain says of it, or the problem with it."""
        start = time.monotonic()
        rows = [summary_row(result) | {"problem": result.skipped} for result in self.results()]
        ordered_keys = dict.fromkeys(key for row in sorted(rows, key=lambda row: bool(row["problem"])) for key in row)
        last = [key for key in ("duplicate_of", "problem") if key in ordered_keys]
        columns = [key for key in ordered_keys if key not in last] + last
        write_csv(self.out / SUMMARY, [{key: row.get(key, "") for key in columns} for row in rows])
        now = time.monotonic()
        self._next_summary = now + max(_SECONDS_BETWEEN_SUMMARIES, (now - start) / _SHARE_FOR_SUMMARIES)


def encode_curve(values: Sequence[float]) -> str:
    """A curve as two hexadecimal digits for each point, from 0 to its largest value; long ones are thinned.

    Values that are below 0 or not finite are drawn as 0.
    """
    import numpy as np

    curve = np.nan_to_num(np.asarray(values, np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(0)
    if curve.size == 0 or curve.max() == 0:
        return "00" * min(curve.size, _MOST_POINTS)
    thinned = np.interp(np.linspace(0, curve.size - 1, min(curve.size, _MOST_POINTS)), np.arange(curve.size), curve)
    return bytes(np.rint(_STEPS * thinned / curve.max()).astype(np.uint8)).hex()


def digest_of(path: Path) -> str:
    """The SHA-256 of a file; "" when it cannot be read."""
    try:
        with local_file(path) as file:
            return file_digest(file)
    except (OSError, DataError):
        return ""


def stamp_of(path: Path) -> str:
    """The size and time of change of a file, in an archive its size and checksum; "" when it cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return member_stamp(path) or ""
    return f"{status.st_size} {status.st_mtime_ns}"


def summary_row(result: FileResult) -> dict[str, Any]:
    """The file, how the names of its results begin, what the domain says of it, and of which file it is a copy."""
    duplicate = {"duplicate_of": result.duplicate_of} if result.duplicate_of else {}
    return {"file": result.file, "output": result.stem, **result.row, **duplicate}


def _still_holds(result: FileResult, path: Path, there: set[str]) -> bool:
    """Whether the file is the same and what was written for it lies there; what was skipped is tried again.

    A file of the same size and time of change is the same; of another one the content decides.
    """
    if result.skipped or not there.issuperset(result.written):
        return False
    stamp = stamp_of(path)
    return bool(stamp) and (stamp == result.stamp or digest_of(path) == result.digest)


def _files_in(out: Path) -> set[str]:
    """The files in a folder and one below it, by their paths in it."""
    files: set[str] = set()
    for folder in ("", f"{PREVIEWS}/"):
        try:
            with os.scandir(out / folder) as entries:
                files.update(f"{folder}{entry.name}" for entry in entries)
        except OSError:
            continue
    return files


def _read(path: Path, key: str) -> dict[str, FileResult]:
    """The results in a log with this key; a line that was cut off is left out."""
    results = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        if not lines or json.loads(lines[0]) != {"key": key}:
            return {}
    except (OSError, ValueError, RecursionError):
        return {}
    for line in lines[1:]:
        try:
            result = FileResult(**json.loads(line))
        except (ValueError, TypeError, RecursionError):
            continue
        results[result.file] = result
    return results


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write {path}: {os.strerror(error.errno) if error.errno else error}",
        "Free some space or choose another folder with --out; what was predicted so far is kept.",
    )
