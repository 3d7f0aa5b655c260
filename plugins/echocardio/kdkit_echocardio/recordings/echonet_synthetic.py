"""EchoNet-Synthetic (Reynaud et al. 2024): clips of a diffusion model, with EchoNet-Dynamic's columns."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from kdkit import DataError

from ..clips import read_clip
from .index import indexed_videos, several_candidates, split_of
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
    indexes = [path / name for name in _INDEXES if (path / name).exists()] or [path / _INDEXES[0]]
    folders = [path / name for name in _FOLDERS if (path / name).is_dir()] or [path / _FOLDERS[1]]
    index, folder = indexes[0], folders[0]
    defects = [several_candidates(files[0].name, files, files[0]) for files in (indexes, folders) if len(files) > 1]
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
