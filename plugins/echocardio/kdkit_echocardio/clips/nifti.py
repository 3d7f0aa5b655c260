"""Reading NIfTI files (.nii, .nii.gz) as clips: (x, y, time) or (x, y, 1, time)."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from .clip import Clip

HEAD_BYTES = 348
_GZIP, _MARKS = b"\x1f\x8b", (b"n+1\x00", b"ni1\x00")


def begins_as_nifti(path: Path) -> bool:
    """Whether a file, compressed or not, begins with the header of NIfTI-1; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == _GZIP
            file.seek(0)
            head = gzip.GzipFile(fileobj=file).read(HEAD_BYTES) if zipped else file.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return False
    return head[344:] in _MARKS and HEAD_BYTES in (int.from_bytes(head[:4], order) for order in ("little", "big"))


def read_nifti_clip(path: Path) -> Clip:
    """The clip in a NIfTI-1 file, its pixels made square; ``fps`` where the header has a unit of time.

    Raises :class:`kdkit.DataError`, which names the file, when it is truncated, damaged, a still or a label map.
    """
    from ..recordings.nifti import read_frame_rate, read_nifti
    from ..recordings.stills import clip_of

    return clip_of(path, read_nifti(path), read_frame_rate(path))
