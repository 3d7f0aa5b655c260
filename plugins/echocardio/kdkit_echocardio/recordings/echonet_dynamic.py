"""EchoNet-Dynamic (Ouyang et al. 2020): FileList.csv, VolumeTracings.csv and Videos/."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from kdkit import DataError, Defect

from ..clips import SIDE
from .index import indexed_videos, split_of
from .labels import disagreement, ed_and_es
from .recording import Contour, Labels, Recording, Study
from .table import Row, header, numbers_in, read_table, stem
from .tracings import ROWS, contours_of, mend_axes
from .video import load_video

NAME = "echonet-dynamic"
LOOKS_FOR = "FileList.csv with the columns FileName, EF and Split, VolumeTracings.csv (X1, Y1, X2, Y2), and Videos/"

VIDEO_DIR = "VIDEO_DIR"
"""The environment variable that may name the folder of the videos, where they lie apart from the index."""

_POINTS = ["X1", "Y1", "X2", "Y2"]

# EchoNet-Dynamic's own loader, and so every published score, leaves out videos with fewer traced frames.
_TRACED_FRAMES = 2


def recognises(path: Path) -> bool:
    """Whether the folder has EchoNet-Dynamic's index."""
    tracings = path / "VolumeTracings.csv"
    has_columns = {"FileName", "EF", "Split"} <= header(path / "FileList.csv")
    return has_columns and (not tracings.exists() or set(_POINTS) <= header(tracings))


def read(path: Path) -> Study:
    """The recordings of an EchoNet-Dynamic folder; :data:`VIDEO_DIR` may name the videos' folder.

    Pixels have no known size, so there is no spacing. Raises :class:`kdkit.DataError` when an index or the videos'
    folder cannot be read.
    """
    traced, tracing_defects = _tracings(path)
    recordings: list[Recording] = []
    defects: list[Defect] = []
    names = set()
    for row, video in indexed_videos(path / "FileList.csv", ["FileName", "EF", "Split"], video_folder(path), defects):
        names.add(row.name)
        before = len(defects)
        defects += tracing_defects.get(row.name, [])
        recording = _recording(row, video, None if traced is None else traced.get(row.name, []), defects)
        if not any(defect.dropped for defect in defects[before:]):
            recordings.append(recording)
    lost_names = {defect.name for defect in defects}
    for name in sorted(set(traced or ()) - names - lost_names):
        defects.append(Defect("unknown-tracing", name, "VolumeTracings.csv names it, FileList.csv does not", False))
    return Study(NAME, path, recordings, defects)


def video_folder(path: Path) -> Path:
    """Where the videos of the index in ``path`` lie."""
    folder = Path(os.environ.get(VIDEO_DIR) or path / "Videos")
    if not folder.is_dir():
        remedy = f"Put the videos there, or name their folder in the environment variable {VIDEO_DIR}."
        raise DataError(f"{folder}, the folder of the videos, does not exist", remedy)
    return folder


def _recording(row: Row, path: Path, contours: Sequence[Contour] | None, defects: list[Defect]) -> Recording:
    """The recording of a row; what is wrong with it is appended to ``defects``."""
    height, width = row.whole("FrameHeight", 1), row.whole("FrameWidth", 1)
    if contours is not None and (height or SIDE, width or SIDE) != (SIDE, SIDE):
        detail = f"the index says {width}x{height} pixels; tracings are drawn in {SIDE}x{SIDE}"
        defects.append(Defect("wrong-size", row.name, detail, True))
    fraction, diastolic, systolic = row.number("EF", 0, 100), row.number("EDV", 0), row.number("ESV", 0)
    fraction_defect = disagreement(row.name, fraction, diastolic, systolic)
    defects += [fraction_defect] if fraction_defect else []
    ed, es = _traced(row.name, contours, defects)
    return Recording(
        row.name,
        path,
        partial(load_video, path, row.number("FPS", 1, 1000)),
        patient=row.name,
        split=split_of(row),
        view="A4C",
        labels=Labels(fraction, diastolic, systolic, ed, es, tuple(contours or ())),
        declared_frames=row.whole("NumberOfFrames", 1),
        declared_size=None if contours is None else (SIDE, SIDE),
    )


def _traced(name: str, contours: Sequence[Contour] | None, defects: list[Defect]) -> tuple[int | None, int | None]:
    """The ED and ES frame of a recording's contours; None for ``contours`` where nothing at all is traced."""
    if contours is None:
        return None, None
    order = list(dict.fromkeys(contour.frame for contour in contours))
    if len(order) < _TRACED_FRAMES:
        kind = "one-traced-frame" if order else "no-tracings"
        defects.append(Defect(kind, name, f"{len(order)} frames are traced; ED and ES are needed", True))
    ed, es = ed_and_es(contours)
    if es is not None and order[0] == es:
        defects.append(Defect("es-before-ed", name, f"the first tracing, frame {es}, is the smaller one", False))
    return ed, es


def _tracings(path: Path) -> tuple[dict[str, list[Contour]] | None, dict[str, list[Defect]]]:
    """The contours of each recording, None where there is no file of tracings, and what is wrong with their rows."""
    file = path / "VolumeTracings.csv"
    defects: dict[str, list[Defect]] = defaultdict(list)
    if not file.exists():
        return None, defects
    table = read_table(file, ["FileName", *_POINTS, "Frame"])
    names = {text: stem(str(text)) for text in table["FileName"].unique()}
    table["FileName"] = table["FileName"].map(names)
    numbers = numbers_in(table, [*_POINTS, "Frame"])
    whole = (numbers[:, 4] >= 0) & (numbers[:, 4] == np.floor(numbers[:, 4])) & (numbers[:, 4] < 2**31)
    valid = np.isfinite(numbers).all(1) & whole & (np.abs(numbers[:, :4]) < 1e6).all(1)
    for name, count in table.loc[~valid, "FileName"].value_counts().items():
        detail = f"{count} rows of VolumeTracings.csv hold no point or no frame"
        defects[str(name)].append(Defect("unparsable-value", str(name), detail, False))
    table, numbers = table.loc[valid].reset_index(drop=True), numbers[valid]
    contours: dict[str, list[Contour]] = defaultdict(list)
    frames = numbers[:, 4].astype(int)
    for (name, frame), places in table.groupby(["FileName", frames], sort=False).indices.items():
        if len(places) != ROWS:
            several = len(places) % ROWS == 0
            kind = "several-annotators" if several else "odd-row-count"
            detail = f"frame {frame} has {len(places)} rows of tracings instead of {ROWS}"
            defects[name].append(Defect(kind, name, detail, False))
        frame_contours, faults = contours_of(int(frame), numbers[np.sort(places), :4])
        contours[name] += frame_contours
        defects[name] += [Defect(fault.kind, name, fault.detail, False) for fault in faults]
    for name in contours:
        contours[name], faults = mend_axes(contours[name])
        defects[name] += [Defect(fault.kind, name, fault.detail, False) for fault in faults]
    return dict(contours), defects
