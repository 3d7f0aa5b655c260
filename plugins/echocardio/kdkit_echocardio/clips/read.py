"""Reading a clip, whatever its container."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kdkit import DataError, check_ends

from .clip import Clip
from .container import begins_as_video
from .dataset import begins_as_dicom, is_dicom
from .nifti import begins_as_nifti, read_nifti_clip
from .timing import apply_times


def read_clip(path: Path, resample: bool = True) -> Clip:
    """The clip in a video file, an animated GIF, a DICOM cine or a NIfTI file.

    The content decides the kind, as suffixes may be wrong. Frames that follow each other unevenly are resampled by
    their times, unless labels count them as they are stored (``resample``). Raises :class:`kdkit.DataError`, which
    names the file and the fault, when it is missing, empty, truncated, damaged, a still image, or no clip at all.
    """
    check_ends(path)
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path} cannot be read: {reason}", "Name a file that you may read.") from error
    if not head:
        raise DataError(f"{path} is empty (0 bytes)", "Copy it again from its source.")
    try:
        return apply_times(path, _reader(path, head)(path), resample)
    except DataError:
        raise
    except Exception as error:  # whatever a damaged file makes a library raise: it is this file that is skipped
        raise DataError(f"{path} is damaged: {type(error).__name__}: {error}", "Copy it again.") from error


def is_clip(path: Path) -> bool:
    """Whether a file begins as clips do, whatever its name; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return begins_as_video(file.read(12)) or is_dicom(path) or begins_as_nifti(path)
    except OSError:
        return False


def _reader(path: Path, head: bytes) -> Callable[[Path], Clip]:
    """What reads a file that begins with these bytes."""
    if begins_as_dicom(head):
        from .dicom import read_dicom

        return read_dicom
    if head[:4] == b"GIF8":
        from .gif import read_gif

        return read_gif
    if begins_as_nifti(path):
        return read_nifti_clip
    from .video import read_video

    return read_video
