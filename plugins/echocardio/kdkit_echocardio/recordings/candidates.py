"""One file for each part of a recording, where several have a claim to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from kdkit import DataError, Defect

from .formats import read_labels, read_picture

Candidates = Mapping[str, Sequence[Path]]
"""The files that may be each part of a recording ("ED", "ED_gt" ...)."""


def choose(
    path: Path, name: str, candidates: Candidates, unread: Candidates | None = None
) -> tuple[dict[str, Path], list[Defect]]:
    """The file of each part, and the defect that names every file for which there were several.

    Of several it is the first that can be read as what the part is: labels where its name ends in ``_gt``, else a
    picture. Those that lie with most of the recording's files come first. ``unread``: files of the same recording in
    a layout that is not read, which are only named.
    """
    folders = Counter(file.parent for files in candidates.values() for file in files)
    selection: dict[str, Path] = {}
    left: list[Path] = []
    for part, files in candidates.items():
        ordered = sorted(files, key=lambda file: -folders[file.parent])
        selection[part] = ordered[0]
        if len(ordered) > 1:
            selection[part] = _first_readable(ordered, read_labels if part.endswith("_gt") else read_picture)
        left += [file for file in [*ordered, *(unread or {}).get(part, ())] if file != selection[part]]
    if not left:
        return selection, []
    detail = f"read: {_names(path, selection.values())}; not read: {_names(path, left)}"
    return selection, [Defect("two-candidates", name, detail, False)]


def _first_readable(files: Sequence[Path], reads: Callable[[Path], object]) -> Path:
    for file in files:
        try:
            reads(file)
        except DataError:
            continue
        return file
    return files[0]


def _names(path: Path, files: Iterable[Path]) -> str:
    return ", ".join(file.relative_to(path).as_posix() for file in files)
