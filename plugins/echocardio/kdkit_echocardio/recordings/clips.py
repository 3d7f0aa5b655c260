"""A folder of plain clips (.avi .mp4 .mov .gif), without labels."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from kdkit import Defect

from ..clips import read_clip
from .recording import Recording, Study
from .table import missing_file_defect
from .walk import flat_names, walk

NAME = "clips"
LOOKS_FOR = "any .avi, .mp4, .mov or .gif file, in folders of any depth"

SUFFIXES = (".avi", ".mp4", ".mov", ".gif")


def recognises(path: Path) -> bool:
    """Whether there is a clip in the folder or below it."""
    return any(file.suffix.lower() in SUFFIXES for file in walk(path))


def read(path: Path) -> Study:
    """The clips in a folder and below it, in the order of their paths; a name is its path without the suffix."""
    recordings: list[Recording] = []
    defects: list[Defect] = []
    for name, file in flat_names(path, [file for file in walk(path) if file.suffix.lower() in SUFFIXES]):
        file_defect = missing_file_defect(name, file)
        if file_defect:
            defects.append(file_defect)
        else:
            recordings.append(Recording(name, file, partial(read_clip, file), patient=name))
    return Study(NAME, path, recordings, defects)
