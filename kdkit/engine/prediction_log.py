"""What came of each file that was predicted, kept as it happens, so that an interrupted command goes on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kdkit.atomic import write_csv, write_text
from kdkit.contracts.component import file_digest
from kdkit.errors import StoreError

SUMMARY = "summary.csv"
LOG = ".predictions.jsonl"
# Rewriting a table of ten thousand rows takes some hundredths of a second.
_SECONDS_BETWEEN_SUMMARIES = 1.0


@dataclass(frozen=True)
class FileResult:
    """What came of a file: the ``row`` of the summary and the number of ``items`` in it, or why it was ``skipped``.

    ``written``: the names of the files that the domain wrote for it.
    """

    file: str
    digest: str
    row: Mapping[str, Any] = field(default_factory=dict)
    items: int = 0
    skipped: str = ""
    written: Sequence[str] = ()


class PredictionLog:
    """The results in a folder ``out``, one line each; those of another ``key`` (student, options) are forgotten.

    ``summary.csv`` is replaced as a whole about once a second: it is complete at any moment, if not up to date.
    """

    def __init__(self, out: Path, key: str, paths: Sequence[Path]) -> None:
        self.out = out
        self._order = {str(path): number for number, path in enumerate(paths)}
        self._results: dict[str, FileResult] = {}
        self._summary_time = 0.0
        earlier = _read(out / LOG, key)
        for path in paths:
            result = earlier.get(str(path))
            if result is not None and self._still_holds(result, path):
                self._results[result.file] = result
        # In one step, when every file has been looked at: stopped before, the next command finds the earlier log.
        lines = [{"key": key}, *map(asdict, self._results.values())]
        write_text(out / LOG, "".join(json.dumps(line) + "\n" for line in lines))

    def has(self, path: Path) -> bool:
        """Whether the file has been predicted already."""
        return str(path) in self._results

    def add(self, result: FileResult) -> None:
        """Keep a result. Raises :class:`StoreError` when the folder cannot be written."""
        self._results[result.file] = result
        try:
            with (self.out / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(result)) + "\n")
        except OSError as error:
            raise _unwritable(self.out / LOG, error) from error
        if time.monotonic() - self._summary_time > _SECONDS_BETWEEN_SUMMARIES:
            self.write_summary()

    def results(self) -> list[FileResult]:
        """Every result in the order of the files."""
        return sorted(self._results.values(), key=lambda result: self._order[result.file])

    def write_summary(self) -> None:
        """Write a row for every file so far: what the domain says of it, or the problem with it."""
        self._summary_time = time.monotonic()
        rows = [{"file": r.file, **r.row, "problem": r.skipped} for r in self.results()]
        columns = dict.fromkeys(key for row in sorted(rows, key=lambda row: bool(row["problem"])) for key in row)
        columns.pop("problem", None)
        ordered = [{**dict.fromkeys(columns, ""), **row} for row in rows]
        write_csv(self.out / SUMMARY, ordered)

    def _still_holds(self, result: FileResult, path: Path) -> bool:
        """Whether the file is the same and what was written for it lies there; what was skipped is tried again."""
        try:
            return (
                not result.skipped
                and all((self.out / name).is_file() for name in result.written)
                and file_digest(path) == result.digest
            )
        except OSError:
            return False


def digest_of(path: Path) -> str:
    """The SHA-256 of a file; "" when it cannot be read."""
    try:
        return file_digest(path)
    except OSError:
        return ""


def _read(path: Path, key: str) -> dict[str, FileResult]:
    """The results in a log with this key; a line that was cut off is left out."""
    results = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        if not lines or json.loads(lines[0]) != {"key": key}:
            return {}
    except (OSError, ValueError):
        return {}
    for line in lines[1:]:
        try:
            result = FileResult(**json.loads(line))
        except (ValueError, TypeError):
            continue
        results[result.file] = result
    return results


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write {path}: {os.strerror(error.errno) if error.errno else error}",
        "Free some space or choose another folder with --out; what was predicted so far is kept.",
    )
