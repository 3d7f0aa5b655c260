"""A folder of plain clips (.avi .mp4 .mov .gif ...), without labels."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from kdkit import Defect

from ..clips import read_clip
from ..suffixes import CLIP_SUFFIXES
from .recording import Recording, Study
from .table import missing_file_defect
from .walk import flat_names, walk

NAME = "clips"
LOOKS_FOR = f"any {', '.join(CLIP_SUFFIXES[:-1])} or {CLIP_SUFFIXES[-1]} file, in folders of any depth"


def recognises(path: Path) -> bool:
    """Whether there is a clip in the folder or below it."""
    return any(file.suffix.lower() in CLIP_SUFFIXES for file in walk(path))


def read(path: Path) -> Study:
    """The clips in a folder and below it, in the order of their paths; a name is its path without the suffix."""
    recordings: list[Recording] = []
    defects: list[Defect] = []
    for name, file in flat_names(path, [file for file in walk(path) if file.suffix.lower() in CLIP_SUFFIXES]):
        read_file(name, file, recordings, defects)
    return Study(NAME, path, recordings, defects)


def read_file(name: str, file: Path, recordings: list[Recording], defects: list[Defect]) -> None:
    """Append the recording in a file, or the defect of one in which there is nothing to decode."""
    file_defect = missing_file_defect(name, file)
    if file_defect:
        defects.append(file_defect)
    else:
        recordings.append(Recording(name, file, partial(read_clip, file), patient=name))
