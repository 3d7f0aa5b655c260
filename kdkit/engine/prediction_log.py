"""What came of each file that was predicted, kept as it happens, so that an interrupted command goes on."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kdkit.archives import local_file, member_stamp
from kdkit.atomic import write_csv, write_text
from kdkit.contracts.component import file_digest
from kdkit.errors import DataError, unwritable
from kdkit.limits import is_endless
from kdkit.progress import Bar

SUMMARY = "summary.csv"
LOG = ".predictions.jsonl"
PREVIEWS = "previews"
PAGE = "index.html"
ELSEWHERE = "choose another folder with --out; what was predicted so far is kept."
"""What else to do where results cannot be written."""
_SUMMARY_BEGINNING = b"file,output,"
# Begins the line of the log that names what earlier calls wrote for files that are to be predicted anew.
_LEFTOVERS = "leftovers"
# The file that something was written for, and how the names of its results begin.
Owner = tuple[str, str]
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

    What was written for them, and for other files than ``paths``, stays in the log as leftovers until the file that
    it was written for is predicted anew, and table and page describe that: :meth:`remove_leftovers`.
    ``summary.csv`` is replaced as a whole about once a second: it is complete at any moment, if not up to date.
    ``bar`` moves on with each file that was predicted before.
    """

    def __init__(self, out: Path, key: str, paths: Sequence[Path], bar: Bar) -> None:
        self.out = out
        self._order = {str(path): number for number, path in enumerate(paths)}
        self._results: dict[str, FileResult] = {}
        self._next_summary = 0.0
        self._key = key
        earlier = _read(out / LOG)
        there = _files_in(out) if earlier.key else set()
        for path in paths:
            result = earlier.results.get(str(path)) if earlier.key == key else None
            if result is not None and _still_holds(result, path, there):
                self._results[result.file] = result
                bar.advance()
        for result in list(self._results.values()):
            original = self._results.get(result.duplicate_of)
            if result.duplicate_of and (original is None or original.digest != result.digest):
                del self._results[result.file]  # the results that it shared are another content's
                bar.advance(-1)
        kept = {name for result in self._results.values() for name in result.written}
        # By their names; one that does not lie in the folder itself is none of this command's.
        left = there - kept
        # What was changed since the log was written is the user's now.
        self._leftovers = {
            name: owner
            for name, owner in earlier.owners().items()
            if name in left and _modified(out / name) <= earlier.modified
        }
        # In one step, when every file has been looked at: stopped before, the next command finds the earlier log.
        self._write()

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
            raise unwritable(str(self.out / LOG), error, ELSEWHERE) from error
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

    def remove_leftovers(self) -> None:
        """Remove what was written earlier for files that were predicted anew since, or under names that theirs took.

        Called when table and page no longer speak of it. Raises :class:`kdkit.errors.StoreError` if it cannot.
        """
        predicted = [result for result in self._results.values() if not result.skipped]
        files, stems = {result.file for result in predicted}, {result.stem for result in predicted}
        outdated = [name for name, (file, stem) in self._leftovers.items() if file in files or stem in stems]
        # Not every disk tells names apart that differ in upper and lower case only.
        replaced = {name.casefold() for result in self._results.values() for name in result.written}
        for name in outdated:
            try:
                if name.casefold() not in replaced:
                    (self.out / name).unlink(missing_ok=True)
            except OSError as error:
                raise unwritable(str(self.out / name), error, ELSEWHERE) from error
            del self._leftovers[name]
        if outdated:
            self._write()

    def _write(self) -> None:
        lines = [{"key": self._key}, {_LEFTOVERS: self._leftovers}, *map(asdict, self._results.values())]
        write_text(self.out / LOG, "".join(json.dumps(line) + "\n" for line in lines))


def holds_results(folder: Path) -> bool:
    """Whether files were predicted into a folder: by its log, or where that was not copied, by table and page."""
    summary = folder / SUMMARY
    with contextlib.suppress(OSError):
        if (folder / PAGE).is_file() and not is_endless(summary):
            with summary.open("rb") as file:
                if file.read(len(_SUMMARY_BEGINNING)) == _SUMMARY_BEGINNING:
                    return True
    return bool(_read(folder / LOG).key)


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
    """The files in a folder and the one of previews below it, by their paths in it."""
    files: set[str] = set()
    for folder in ("", f"{PREVIEWS}/"):
        try:
            with os.scandir(out / folder) as entries:
                files.update(f"{folder}{entry.name}" for entry in entries if not entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
    return files


def _modified(path: Path) -> float:
    """When a file was written last, in nanoseconds; infinite where nobody knows."""
    try:
        return path.stat(follow_symlinks=False).st_mtime_ns
    except OSError:
        return math.inf


@dataclass(frozen=True)
class _EarlierLog:
    """What a log holds: its ``key``, "" without one, the results by their files, and the leftovers by their names.

    Of a leftover it says the file that it was written for, and how the names of that one's results begin.
    ``modified``: when its last line was written, in nanoseconds.
    """

    key: str = ""
    results: Mapping[str, FileResult] = field(default_factory=dict)
    leftovers: Mapping[str, Owner] = field(default_factory=dict)
    modified: int = 0

    def owners(self) -> dict[str, Owner]:
        """The names of everything that was written, each as for a leftover."""
        own = [result for result in self.results.values() if not result.duplicate_of]
        return {**self.leftovers, **{name: (result.file, result.stem) for result in own for name in result.written}}


def _read(path: Path) -> _EarlierLog:
    """A log's content; a line that was cut off is left out."""
    try:
        if is_endless(path):
            return _EarlierLog()
        written, lines = path.stat().st_mtime_ns, path.read_text(encoding="utf-8").splitlines()
        key = json.loads(lines[0])["key"] if lines else ""
    except (OSError, ValueError, RecursionError, TypeError, KeyError):
        return _EarlierLog()
    results: dict[str, FileResult] = {}
    leftovers: dict[str, Owner] = {}
    for line in lines[1:]:
        try:
            content = json.loads(line)
            if _LEFTOVERS in content:
                leftovers = {name: (str(file), str(stem)) for name, (file, stem) in content[_LEFTOVERS].items()}
                continue
            result = FileResult(**content)
            set(result.written)  # raises where it is no list of names
            results[result.file] = result
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue
    return _EarlierLog(key, results, leftovers, written)
