"""The view that clips show, where they have no index of a layout that says it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from kdkit import DataError

from .recording import Recording
from .table import header
from .walk import walk

_WORDS = {
    "A2C": ("A2C", "A2CH", "AP2", "AP2CH", "2CH", "2CHAMBER"),
    "A3C": ("A3C", "A3CH", "AP3", "AP3CH", "3CH", "3CHAMBER", "APLAX", "ALAX"),
    "A4C": ("A4C", "A4CH", "AP4", "AP4CH", "4CH", "4CHAMBER"),
    "A5C": ("A5C", "A5CH", "AP5", "AP5CH", "5CH", "5CHAMBER"),
    "PLAX": ("PLAX",),
    "PSAX": ("PSAX",),
    "subcostal": ("SUBCOSTAL", "SUBXIPHOID"),
}
_VIEWS = {word: view for view, words in _WORDS.items() for word in words}

# EchoNet-LVH (Duffy et al. 2022): walls and diameters, each measured along a line in one frame.
_LVH_COLUMNS = {"HashedFileName", "Calc"}


def refuse_parasternal(path: Path) -> None:
    """Raise :class:`kdkit.DataError` for EchoNet-LVH's clips: the folder, one above it, or a part such as Batch1."""
    tables = [file for file in walk(path) if file.suffix.lower() == ".csv"]
    for table in [*tables, path.resolve().parent / "MeasurementsList.csv"]:
        if header(table) >= _LVH_COLUMNS:
            raise DataError(
                f"{path} holds parasternal long-axis clips, as {table.name} of EchoNet-LVH says; "
                "the models here read the apical four-chamber view",
                "Use apical four-chamber clips, those of EchoNet-Dynamic or CAMUS say.",
            )


def with_views(path: Path, recordings: Iterable[Recording]) -> list[Recording]:
    """Recordings without a view with the one that the names of their files or folders say."""
    return [recording if recording.view else _with_view(path, recording) for recording in recordings]


def _with_view(path: Path, recording: Recording) -> Recording:
    """The recording with the view in its file's name, else in that of the nearest folder, ``path`` included.

    A name with several views says none.
    """
    parts = [path.resolve().name, *recording.path.relative_to(path).parts]
    for part in reversed(parts):
        views = {_VIEWS[word] for word in re.split(r"[^A-Z0-9]+", part.upper()) if word in _VIEWS}
        if views:
            return replace(recording, view=views.pop() if len(views) == 1 else None)
    return recording
