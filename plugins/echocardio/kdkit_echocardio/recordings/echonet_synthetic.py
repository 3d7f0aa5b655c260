"""EchoNet-Synthetic (Reynaud et al. 2024): clips of a diffusion model, with EchoNet-Dynamic's columns."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from kdkit import DataError, Defect

from ..clips import read_clip
from .index import indexed_videos, split_of
from .recording import Labels, Recording, Study
from .table import header, read_table

NAME = "echonet-synthetic"
LOOKS_FOR = (
    "FileList.csv without VolumeTracings.csv, its names sample_000000 and so on, and Videos/; "
    "or synthetic_FileList.csv and Videos_synthetic/"
)

# The second names are those that EchoDFKD gives them.
_INDEXES, _FOLDERS = ("synthetic_FileList.csv", "FileList.csv"), ("Videos_synthetic", "Videos")


def recognises(path: Path) -> bool:
    """Whether the folder has EchoNet-Synthetic's index."""
    if {"FileName", "EF"} <= header(path / _INDEXES[0]):
        return True
    index = path / _INDEXES[1]
    if (path / "VolumeTracings.csv").exists() or not {"FileName", "EF"} <= header(index):
        return False
    try:
        names = read_table(index, ["FileName"])["FileName"]
    except DataError:
        return False
    return len(names) > 0 and bool(names.str.strip().str.lower().str.startswith("sample_").all())


def read(path: Path) -> Study:
    """The recordings of an EchoNet-Synthetic folder.

    Of the index only the ejection fraction (the condition given to the model) and the split are used: volumes are 0,
    and frame sizes and counts are wrong. Raises :class:`kdkit.DataError` when the index or the videos cannot be read.
    """
    index = next((path / name for name in _INDEXES if (path / name).exists()), path / _INDEXES[0])
    folder = next((path / name for name in _FOLDERS if (path / name).is_dir()), path / _FOLDERS[1])
    defects: list[Defect] = []
    recordings = [
        Recording(
            row.name,
            video,
            partial(read_clip, video),
            patient=row.name,
            split=split_of(row),
            labels=Labels(row.number("EF", 0, 100)),
        )
        for row, video in indexed_videos(index, ["FileName", "EF"], folder, defects)
    ]
    return Study(NAME, path, recordings, defects)
