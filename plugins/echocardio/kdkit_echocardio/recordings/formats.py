"""Reading pictures and label maps of any format, and telling one from the other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kdkit import DataError, check_ends

from .itk import read_nrrd
from .metaimage import read_metaimage
from .nifti import read_nifti
from .photo import read_photo
from .picture import MOST_LABELS, LabelMapError, Picture, as_grey, in_words, label_values

_READERS = {
    ".nii.gz": read_nifti,
    ".nii": read_nifti,
    ".mha": read_metaimage,
    ".mhd": read_metaimage,
    ".nrrd": read_nrrd,
    ".png": read_photo,
    ".bmp": read_photo,
    ".tif": read_photo,
    ".tiff": read_photo,
}
ENDINGS = tuple(_READERS)
"""The ends of the names of files that can be read, the commonest first."""


def ending_of(path: Path) -> str | None:
    """Which of :data:`ENDINGS` a file's name has; None for another."""
    return next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)


def read_values(path: Path) -> Picture:
    """The values in a file as they are stored; raises :class:`kdkit.DataError`, which names the file."""
    ending = ending_of(path)
    if ending is None:
        raise DataError(f"{path} is of no format that is read: {', '.join(ENDINGS)}")
    check_ends(path)
    try:
        return _READERS[ending](path)
    except DataError:
        raise
    except Exception as error:  # whatever a damaged file makes a library raise: it is this file that is left out
        raise DataError(f"{path} is damaged: {type(error).__name__}: {error}", "Copy it again.") from error


def read_picture(path: Path) -> Picture:
    """The picture in a file, uint8 (T, H, W).

    Raises :class:`LabelMapError` for a label map, :class:`kdkit.DataError` for what cannot be read.
    """
    return as_picture(path, read_values(path))


def as_picture(path: Path, picture: Picture) -> Picture:
    """The values in a file as a picture, uint8 (T, H, W); raises as :func:`read_picture` does."""
    labels = label_values(picture.frames)
    if labels is not None:
        raise LabelMapError(f"{path} is a label map, no picture: its only values are {in_words(labels)}")
    return Picture(as_grey(path, picture.frames), picture.steps, picture.directions)


def read_labels(path: Path) -> tuple[Picture, list[int]]:
    """The label map in a file, and its labels.

    Raises :class:`kdkit.DataError` where it holds more than a few values, or other than whole numbers.
    """
    picture = read_values(path)
    values = np.unique(picture.frames)
    if len(values) > MOST_LABELS:
        raise DataError(f"{path} is no label map: it holds {len(values)} values, {values[0]:g} to {values[-1]:g}")
    if not np.isfinite(values).all() or (values != np.rint(values)).any():
        remedy = "Write it again as whole numbers, resampled by nearest neighbour."
        raise DataError(f"{path} is no label map: its values are not whole, {in_words(values.tolist())}", remedy)
    return picture, [int(value) for value in values]


def refuse_label_maps(folder: Path, pictures: Iterable[Path]) -> None:
    """Raise :class:`kdkit.DataError` when the files that should be pictures are all label maps.

    Looks no further than the first picture.
    """
    first: Path | None = None
    for file in pictures:
        try:
            if np.ptp(read_picture(file).frames):
                return
        except LabelMapError:
            first = first or file
        except DataError:
            continue
    if first is not None:
        raise LabelMapError(
            f"{folder} holds label maps only, as of predictions, a submission or nnU-Net's labelsTr, and no picture: "
            f"{first.relative_to(folder)} is one",
            "Name the folder that holds the pictures and their labels (of nnU-Net the one above imagesTr).",
        )
