"""Beats to compare with that come from elsewhere than a sample's truth: another model's areas or masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from kdkit import DataError, Sample

from ..beats import Beats, find_beats
from ..geometry import area_curve, binarize, clean

Curves = Mapping[str, np.ndarray]


def beats_elsewhere(path: Path, sample: Sample) -> Beats | None:
    """The beats in the area curve that a table, or a folder of predictions, holds of a sample.

    A table has the columns Filename (with or without .avi), Frame (from 0) and Size (pixels), as EchoNet-Dynamic's
    ``size.csv``; a folder has ``<name>.npz`` with ``probability`` (T, H, W), as ``kdkit predict`` writes. None where
    the sample is not in it, has no frame rate, or shows no beat there. Raises :class:`kdkit.DataError` when the
    reference cannot be read, or has another number of frames than the sample.
    """
    name, fps = sample.info.get("name"), sample.info.get("fps")
    if not name or not fps:
        return None
    areas = _predicted(path / f"{name}.npz") if path.is_dir() else _tabled(path).get(str(name))
    if areas is None:
        return None
    if len(areas) != len(sample.inputs):
        raise DataError(f"{path} has {len(areas)} frames of {name}, which has {len(sample.inputs)}")
    beats = find_beats(areas, fps)
    return beats if len(beats.ed) or len(beats.es) else None


def reference_files(path: Path) -> Sequence[Path]:
    """The files that a reference consists of."""
    return sorted(path.glob("*.npz")) if path.is_dir() else [path]


def _predicted(path: Path) -> np.ndarray | None:
    if not path.is_file():
        return None
    try:
        with np.load(path) as arrays:
            return area_curve(clean(binarize(arrays["probability"])))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} holds no prediction: {error}") from error


def _tabled(path: Path) -> Curves:
    try:
        return _read_table(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=2)
def _read_table(path: Path, _modified: int) -> Curves:
    """The areas of each recording, float64 (T,), frames in their order; read once for all models and metrics."""
    import pandas as pd

    from ..recordings.table import read_table, stem

    table = read_table(path, ("Filename", "Frame", "Size"))
    numbers = table[["Frame", "Size"]].apply(pd.to_numeric, errors="coerce")
    if numbers.isna().any(axis=None):
        line = int(np.flatnonzero(numbers.isna().any(axis=1))[0]) + 2
        raise DataError(f"{path}, line {line}: Frame and Size must be numbers")
    numbers["name"] = [stem(name) for name in table["Filename"]]
    curves = {}
    for name, rows in numbers.sort_values("Frame").groupby("name"):
        if not np.array_equal(rows["Frame"], np.arange(len(rows))):
            raise DataError(f"{path}: the frames of {name} are not 0 to {len(rows) - 1}, each once")
        curves[str(name)] = rows["Size"].to_numpy(np.float64)
    return curves
