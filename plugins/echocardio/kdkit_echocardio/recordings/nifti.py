"""Reading NIfTI pictures (.nii, .nii.gz), header by nibabel."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kdkit import DataError

from ..clips.clip import plausible_rate
from ..clips.colour import to_grey
from .picture import Picture, claimed_shape, plausible_steps

_CHUNK = 1 << 20
_HEADER = 348
_LEAST_OFFSET = 352
# A header's extensions lie before the pixels; CAMUS has none.
_MOST_OFFSET = 1 << 20

# Slope and intercept are single precision numbers; this leaves some room. A slope above the other is no step between
# whole numbers: nearly any value would be near to one.
_SLOPE_ERROR, _COARSEST_STEP = 1e-6, 0.1

# Units of length of the NIfTI-1 standard, in millimetres; without a unit millimetres are meant.
_MILLIMETRES = {"unknown": 1.0, "meter": 1000.0, "mm": 1.0, "micron": 0.001}
# And of time, in seconds; without a unit the step means nothing.
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


def read_nifti(path: Path) -> Picture:
    """The picture in a NIfTI-1 file, stored x first: 2D, or 3D with frames last; compressed or not; RGB as grey.

    No more is unpacked than the header claims, and that is checked first. Raises :class:`kdkit.DataError`, which
    names the file, when it is missing, truncated, damaged, or no such picture.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            return _read(path, gzip.GzipFile(fileobj=file) if zipped else file)  # type: ignore[arg-type]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged: {error}", "Copy it again from its source.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def read_frame_rate(path: Path) -> float | None:
    """Frames per second of a NIfTI-1 file (x, y, 1, t); None where its header gives time no unit or no such rate.

    The file has been read by :func:`read_nifti`.
    """
    from nibabel.nifti1 import Nifti1Header

    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        head = (gzip.GzipFile(fileobj=file) if zipped else file).read(_HEADER)
    header = Nifti1Header.from_fileobj(io.BytesIO(head), check=False)
    seconds = _SECONDS.get(header.get_xyzt_units()[1])
    step = float(header["pixdim"][4])
    if seconds is None or int(header["dim"][0]) < 4 or not step > 0:
        return None
    return plausible_rate(1 / (step * seconds))


def _read(path: Path, stream: BinaryIO) -> Picture:
    head = stream.read(_HEADER)
    (width, height, count), dtype, offset, steps, slope, intercept = _header(path, head)
    stream.read(offset - _HEADER)
    is_scaled = (slope, intercept) != (1.0, 0.0)
    if is_scaled:
        claimed_shape(path, [width, height, count], np.dtype(np.float64).itemsize)
    size = width * height * count * dtype.itemsize
    data = _up_to(stream, size)
    if len(data) < size:
        detail = f"{len(data)} of {size} bytes of pixels are there"
        raise DataError(f"{path} is truncated: {detail}", "Copy it again from its source.")
    stream.read(_CHUNK)  # the end of a compressed stream holds its checksum, which is verified on reading it
    if dtype.names:
        colours = np.frombuffer(data, np.uint8).reshape(count, height, width, dtype.itemsize)[..., :3]
        return Picture(np.stack([to_grey(picture) for picture in colours]), steps, _directions(head))
    frames = np.frombuffer(data, dtype).reshape(count, height, width)
    if is_scaled:
        frames = _scaled(frames, slope, intercept)
    return Picture(frames, steps, _directions(head))


def _directions(head: bytes) -> tuple[int, int] | None:
    """Which way columns and rows run; None where the header has no orientation, or turns the picture."""
    from nibabel.nifti1 import Nifti1Header

    header = Nifti1Header.from_fileobj(io.BytesIO(head), check=False)
    if not (int(header["qform_code"]) or int(header["sform_code"])):
        return None
    affine = header.get_best_affine()[:2, :2]
    along = np.diag(affine)
    if not np.isfinite(affine).all() or (np.abs(along) <= np.abs(affine[::-1].diagonal())).any():
        return None
    return int(np.sign(along[0])), int(np.sign(along[1]))


def _scaled(frames: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """The values that the stored ones mean, float64.

    A tool that keeps the header of a file of bytes, but has labels as fractions, spreads 0 to 3 over 0 to 255. Read
    back they are off by up to half a step. Where all values lie so near to whole numbers, those are meant.
    """
    values = np.asarray(frames * slope + intercept, np.float64)
    if frames.dtype.kind == "f":
        return values
    whole = np.rint(values)
    half_step = abs(slope) / 2 if abs(slope) < _COARSEST_STEP else 0.0
    tolerance = half_step + _SLOPE_ERROR * float(np.abs(values).max(initial=0.0))
    return whole if np.abs(values - whole).max(initial=0.0) <= tolerance else values


def _header(
    path: Path, data: bytes
) -> tuple[tuple[int, int, int], np.dtype, int, tuple[float, float] | None, float, float]:
    """Shape, type, offset, pixel size, slope and intercept as the header claims them."""
    from nibabel.nifti1 import Nifti1Header

    if len(data) < _HEADER:
        raise DataError(f"{path} is no NIfTI file: {len(data)} bytes, and the header alone has {_HEADER}")
    try:
        header = Nifti1Header.from_fileobj(io.BytesIO(data), check=False)
        if bytes(header["magic"].item())[:3] != b"n+1" or int(header["sizeof_hdr"]) != _HEADER:
            raise DataError(f"{path} is no NIfTI-1 file: its mark n+1 is missing")
        dtype = header.get_data_dtype()
        dimensions = int(header["dim"][0])
        sizes = [int(n) for n in header["dim"][1 : 1 + max(0, dimensions)]]
        offset = max(_LEAST_OFFSET, int(header["vox_offset"]))
        unit = _MILLIMETRES.get(header.get_xyzt_units()[0], 1.0)
        x, y = (abs(float(step)) * unit for step in header["pixdim"][1:3])
        slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    except DataError:
        raise
    except Exception as error:  # nibabel raises many kinds on damaged bytes
        raise DataError(f"{path} has a damaged NIfTI header: {error}") from error
    if offset > _MOST_OFFSET:
        raise DataError(f"{path} has a damaged NIfTI header: its pixels begin at byte {offset}")
    is_colour = dtype.names is not None and dtype.names[:3] == ("R", "G", "B")
    if not is_colour and (dtype.kind not in "uif" or dtype.itemsize > 8):
        raise DataError(f"{path} holds pixels of type {dtype}; grey numbers and RGB are read")
    # The standard: a slope of 0 means none.
    if not np.isfinite([slope, intercept]).all() or slope == 0:
        slope, intercept = 1.0, 0.0
    return claimed_shape(path, sizes, dtype.itemsize), dtype, offset, plausible_steps(x, y), slope, intercept


def _up_to(stream: BinaryIO, size: int) -> bytes:
    """At most ``size`` bytes of a stream; memory grows with what is there, not with ``size``."""
    parts, remaining = [], size
    while remaining:
        part = stream.read(min(remaining, _CHUNK))
        if not part:
            break
        parts.append(part)
        remaining -= len(part)
    return b"".join(parts)
