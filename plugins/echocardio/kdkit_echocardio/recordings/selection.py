"""The recordings of a folder that a run uses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from kdkit import DataError, Progress, folder_digest, visible_files

from .echonet_dynamic import VIDEO_DIR
from .inspection import apply_examinations
from .memory import FolderMemory
from .recording import Recording, Study


def contents_of(path: Path, progress: Progress) -> list[str]:
    """A digest of the names and contents of the files in a folder, and one of those in that of VIDEO_DIR, if any."""
    return [folder_digest(root, progress) for root in _roots(path)]


def state_of(path: Path) -> str:
    """A digest of the name, size and time of last change of every file in a folder, and in that of VIDEO_DIR.

    Nothing is read for it. It changes more often than :func:`contents_of`, but never less.
    """
    digest = hashlib.sha256()
    for root in _roots(path):
        parts = len(root.parts)
        for file in visible_files(root):
            status = file.stat()
            file_state = f"{'/'.join(file.parts[parts:])}\0{status.st_size}\0{status.st_mtime_ns}\n"
            digest.update(file_state.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _roots(path: Path) -> Sequence[Path]:
    videos = os.environ.get(VIDEO_DIR)
    return (path, Path(videos)) if videos else (path,)


def choose_recordings(memory: FolderMemory, split: str | None, view: str | None) -> Study:
    """The recordings of a part and a view, none decoded; a recording without a view has any.

    Raises :class:`kdkit.DataError` when there is none.
    """
    study = memory.study()
    recordings = [
        r for r in study.recordings if split in (None, r.split) and (view is None or r.view in (None, view))
    ]
    if not recordings:
        raise DataError(_empty_selection_message(study, split, view), "kdkit check says what is in a folder.")
    return replace(study, recordings=recordings)


def select_recordings(memory: FolderMemory, split: str | None, view: str | None, progress: Progress) -> Study:
    """The recordings of a part and a view that can be decoded, and every defect.

    Raises :class:`kdkit.DataError` when there is none.
    """
    study = choose_recordings(memory, split, view)
    inspected = apply_examinations(study, memory.examine(study.recordings, progress))
    if not inspected.recordings:
        first = next(defect for defect in inspected.defects if defect.dropped)
        raise DataError(f"{study.path} holds no recording that can be used; {first.name}: {first.detail}")
    return inspected


@lru_cache(maxsize=2)
def recordings_by_name(memory: FolderMemory) -> Mapping[str, Recording]:
    """Every recording of a folder by its name."""
    return {recording.name: recording for recording in memory.study().recordings}


def _empty_selection_message(study: Study, split: str | None, view: str | None) -> str:
    """Why nothing was selected, and what the folder holds."""
    selection = " and ".join(f"{key} {value}" for key, value in (("split", split), ("view", view)) if value)
    available = sorted({f"split {r.split}, view {r.view}" for r in study.recordings})
    content = (
        f"{len(study.recordings)} recordings ({'; '.join(available[:12])})"
        if available
        else "no recording that can be used"
    )
    return f"{study.path} ({study.layout}) has no recording of {selection or 'any kind'}: it holds {content}"
