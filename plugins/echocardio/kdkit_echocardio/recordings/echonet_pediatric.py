"""EchoNet-Pediatric (Reddy et al. 2023): the folders A4C/ and PSAX/, each with its own index."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np

from kdkit import Defect

from ..clips import read_clip
from .index import indexed_videos
from .labels import ed_and_es
from .recording import Contour, Labels, Recording, Study
from .table import Row, header, numbers_in, parsed, read_table, stem

NAME = "echonet-pediatric"
LOOKS_FOR = "A4C/ or PSAX/ with FileList.csv (FileName, EF, Split), VolumeTracings.csv (X, Y, Frame) and Videos/"

VIEWS = ("A4C", "PSAX")


def recognises(path: Path) -> bool:
    """Whether the folder holds one of the views, or is one of them."""
    return bool(_views(path))


def _views(path: Path) -> dict[str, Path]:
    """The folder of each view that is there."""
    folders = {view: path / view for view in VIEWS} | ({path.name: path} if path.name in VIEWS else {})
    return {view: folder for view, folder in folders.items() if _is_view(folder)}


def _is_view(folder: Path) -> bool:
    tracings = folder / "VolumeTracings.csv"
    has_columns = {"FileName", "EF", "Split"} <= header(folder / "FileList.csv")
    return has_columns and (not tracings.exists() or {"X", "Y", "Frame"} <= header(tracings))


def read(path: Path) -> Study:
    """The recordings of both views, A4C first; ``split`` is the fold, "0" to "9".

    Names begin with the view, as the same file name may occur in both. Raises :class:`kdkit.DataError` when an index
    or a folder of videos cannot be read.
    """
    recordings: list[Recording] = []
    defects: list[Defect] = []
    for view, folder in _views(path).items():
        _read_view(view, folder, recordings, defects)
    return Study(NAME, path, recordings, defects)


def _read_view(view: str, folder: Path, recordings: list[Recording], defects: list[Defect]) -> None:
    traced = _tracings(view, folder / "VolumeTracings.csv", defects)
    columns = ["FileName", "EF", "Split"]
    for row, video in indexed_videos(folder / "FileList.csv", columns, folder / "Videos", defects, f"{view}-"):
        recordings.append(_recording(row, view, video, traced, defects))


def _recording(
    row: Row, view: str, path: Path, traced: dict[str, list[Contour]] | None, defects: list[Defect]
) -> Recording:
    """The recording of a row; what is wrong with it is appended to ``defects``."""
    contours = [] if traced is None else traced.get(path.stem, [])
    frames = {contour.frame for contour in contours}
    if traced is not None and len(frames) < 2:
        kind = "one-traced-frame" if frames else "no-tracings"
        detail = f"{len(frames)} frames are traced; its ejection fraction remains"
        defects.append(Defect(kind, row.name, detail, False))
    ed, es = ed_and_es(contours)
    facts = {"sex": row.text("Sex")} | {name.lower(): row.number(name) for name in ("Age", "Weight", "Height")}
    return Recording(
        row.name,
        path,
        partial(read_clip, path, resample=False),
        patient=path.stem,
        split=_fold(row),
        view=view,
        labels=Labels(row.number("EF", 0, 100), ed=ed, es=es, contours=tuple(contours)),
        info={key: value for key, value in facts.items() if value is not None},
    )


def _fold(row: Row) -> str | None:
    """The fold as text: 3 and 3.0 are the same."""
    text = row.text("Split")
    value = None if text is None else parsed(text)
    return text if value is None or value != int(value) else str(int(value))


def _tracings(view: str, file: Path, defects: list[Defect]) -> dict[str, list[Contour]] | None:
    """The contours of each video by its file name; None where there is no file of tracings.

    Some frames are text ("No Systolic"): they have no tracing, so these rows are left out.
    """
    if not file.exists():
        return None
    table = read_table(file, ["FileName", "X", "Y", "Frame"])
    table["FileName"] = table["FileName"].map({text: stem(str(text)) for text in table["FileName"].unique()})
    numbers = numbers_in(table, ["X", "Y", "Frame"])
    whole = (numbers[:, 2] >= 0) & (numbers[:, 2] == np.floor(numbers[:, 2])) & (numbers[:, 2] < 2**31)
    valid = np.isfinite(numbers).all(1) & whole & (np.abs(numbers[:, :2]) < 1e6).all(1)
    for name, places in table.loc[~valid].groupby("FileName").indices.items():
        bad_frames = sorted(set(table.loc[~valid, "Frame"].iloc[places]))[:3]
        detail = (
            f"{len(places)} rows of VolumeTracings.csv hold no point or no frame (Frame: {', '.join(bad_frames):.60})"
        )
        defects.append(Defect("unparsable-value", f"{view}-{name}", detail, False))
    table, numbers = table.loc[valid].reset_index(drop=True), numbers[valid]
    contours: dict[str, list[Contour]] = defaultdict(list)
    frames = numbers[:, 2].astype(int)
    for (name, frame), places in table.groupby(["FileName", frames], sort=False).indices.items():
        points = _open(numbers[np.sort(places), :2])
        if len(points) >= 3:
            contours[name].append(Contour(int(frame), points=points))
    return dict(contours)


def _open(points: np.ndarray) -> np.ndarray:
    """The points of a closed contour without the last one where it repeats the first."""
    return points[:-1] if len(points) > 1 and (points[0] == points[-1]).all() else points
