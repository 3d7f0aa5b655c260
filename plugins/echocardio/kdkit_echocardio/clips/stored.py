"""The pictures in the pixel data of a DICOM file, as they are stored: how many there are, and the values of each.

The pixel data are counted; NumberOfFrames, BitsAllocated, the photometric interpretation and the transfer syntax only
decide where the data fit several readings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kdkit import DataError

from . import jpeg
from .clip import check_extent

_JPEG_2000_MAGIC = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")
_JPEG_2000, _JPEG_LOSSLESS, _JPEG_LS = "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.81"
_LOSSLESS_PROCESS, _JPEG_LS_PROCESS = 0xC3, 0xF7
_ITEM = b"\xfe\xff\x00\xe0"
_AGAIN = "Export or copy it again."


@dataclass(frozen=True)
class Stored:
    """Pictures as stored. ``read``: the values of one, (H, W) or (H, W, 3), unsigned; ``count``: how many are there.

    ``first``: the compressed bytes of the first one, empty where it is not compressed.
    """

    count: int
    read: Callable[[int], np.ndarray]
    first: bytes = b""

    def samples(self) -> list[np.ndarray]:
        """A few pictures from all over the clip, to judge their values by."""
        return [self.read(index) for index in sorted({0, self.count // 2, self.count - 1})]


def declared_count(dataset: Any) -> int | None:
    """NumberOfFrames; None where it is missing or no number above 0."""
    try:
        return max(0, int(dataset.get("NumberOfFrames") or 0)) or None
    except (TypeError, ValueError):
        return None


def is_encapsulated(dataset: Any) -> bool:
    """Whether the pixel data are compressed pictures in items, whatever the transfer syntax says."""
    return bool(dataset.file_meta.TransferSyntaxUID.is_encapsulated) or dataset.PixelData[:4] == _ITEM


def fragments(dataset: Any) -> list[bytes]:
    """The items of encapsulated pixel data, without the table of offsets that precedes them."""
    from pydicom.encaps import generate_fragments

    items = list(generate_fragments(dataset.PixelData))
    return [item for number, item in enumerate(items) if item and (number or _begins_picture(item))]


def open_stored(path: Path, dataset: Any) -> Stored:
    """The pictures in a data set with pixel data.

    Raises :class:`kdkit.DataError` where data are missing, or would become too large.
    """
    check_extent(path, 1, int(dataset.Columns), int(dataset.Rows))
    return _compressed(path, dataset) if is_encapsulated(dataset) else _native(path, dataset)


def _native(path: Path, dataset: Any) -> Stored:
    rows, columns, channels = int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel") or 1)
    declared = declared_count(dataset)
    pixels, data = rows * columns, dataset.PixelData
    allocated = int(dataset.get("BitsAllocated") or 8)
    if allocated not in (8, 16, 32) or channels not in (1, 3) or not pixels:
        raise DataError(
            f"{path} holds pixels of {channels} x {allocated} bits, which are not read",
            "Export it again with 8 or 16 bits, in grey or RGB.",
        )
    depth = allocated // 8
    layouts = [(channels, depth), (channels, 3 - depth)] if depth < 3 else [(channels, depth)]
    if channels == 3 and depth == 1:
        half = str(dataset.get("PhotometricInterpretation", "")).endswith("_422")
        layouts = [(2, 1), (3, 1)] if half else [(3, 1), (2, 1)]
    channels, depth = _fitting(len(data), [(c, d, pixels * c * d) for c, d in layouts], declared)
    size = pixels * channels * depth
    count, rest = divmod(len(data), size)
    if rest > 1 and count < (declared or 1):
        raise DataError(f"{path} is truncated: {count} of {declared or 1} frames are there", _AGAIN)
    check_extent(path, count, columns, rows)
    order = "<" if dataset.original_encoding[1] is not False else ">"

    def read(index: int) -> np.ndarray:
        values = np.frombuffer(data, f"{order}u{depth}", pixels * channels, index * size)
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        if channels == 2:
            return _widened(values.reshape(-1, 4)).reshape(rows, columns, 3)
        return values.reshape((rows, columns) if channels == 1 else (rows, columns, 3))

    return Stored(count, read)


def _fitting(length: int, layouts: Sequence[tuple[int, int, int]], declared: int | None) -> tuple[int, int]:
    """Channels and bytes of the layout by which the data are the declared number of frames, else whole frames."""
    tests = (
        lambda size: length // size == declared and length % size <= 1,
        lambda size: length >= size and length % size <= 1,
        lambda size: True,
    )
    return next((channels, depth) for test in tests for channels, depth, size in layouts if test(size))


def _widened(pairs: np.ndarray) -> np.ndarray:
    """Two pixels each of four values: two luminances and the chrominances that both share (PS3.3, YBR_FULL_422)."""
    wide = np.empty((len(pairs), 2, 3), pairs.dtype)
    wide[..., 0] = pairs[:, :2]
    wide[..., 1:] = pairs[:, None, 2:]
    return wide


def _compressed(path: Path, dataset: Any) -> Stored:
    pictures = _pictures(dataset)
    if not pictures:
        raise DataError(f"{path} holds no frames", _AGAIN)
    check_extent(path, len(pictures), dataset.Columns, dataset.Rows)
    for picture in pictures:
        _check_size(path, dataset, picture)

    def read(index: int) -> np.ndarray:
        return _decoded(dataset, pictures[index])

    return Stored(len(pictures), read, pictures[0])


def _pictures(dataset: Any) -> list[bytes]:
    """The compressed bytes of each picture: they begin where a fragment begins as a picture does."""
    from pydicom.encaps import generate_frames

    parts = fragments(dataset)
    if not parts or not _begins_picture(parts[0]):
        count = declared_count(dataset) or 1
        # Run-length coding has no mark, and one fragment a frame.
        rle = dataset.file_meta.TransferSyntaxUID.name == "RLE Lossless"
        return (
            parts if rle or len(parts) == count else list(generate_frames(dataset.PixelData, number_of_frames=count))
        )
    pictures: list[list[bytes]] = []
    for part in parts:
        if _begins_picture(part):
            pictures.append([])
        pictures[-1].append(part)
    return [b"".join(picture) for picture in pictures]


def _begins_picture(data: bytes) -> bool:
    return data.startswith((jpeg.MAGIC, *_JPEG_2000_MAGIC))


def _check_size(path: Path, dataset: Any, data: bytes) -> None:
    """Raise :class:`kdkit.DataError` where a compressed picture claims another size than the file does.

    Decoders trust the picture: a hundred bytes can make them fill gigabytes for minutes.
    """
    header = jpeg.read_header(data) if data.startswith(jpeg.MAGIC) else None
    if header:
        size = header.width, header.height
    elif data.startswith(_JPEG_2000_MAGIC):
        with Image.open(BytesIO(data), formats=["JPEG2000"]) as picture:
            size = picture.size
    else:  # run-length coding has no size of its own
        return
    if size != (dataset.Columns, dataset.Rows):
        reason = f"pictures of {size[0]}x{size[1]} pixels in frames of {dataset.Columns}x{dataset.Rows}"
        raise DataError(f"{path} is damaged: {reason}", _AGAIN)


def _decoded(dataset: Any, data: bytes) -> np.ndarray:
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    header = jpeg.read_header(data) if data.startswith(jpeg.MAGIC) else None
    if header and header.by_cosines:
        return jpeg.decode(data)
    channels = int(dataset.get("SamplesPerPixel") or 1)
    options: Any = {
        "pixel_keyword": "PixelData",
        "number_of_frames": 1,
        "rows": int(dataset.Rows),
        "columns": int(dataset.Columns),
        "samples_per_pixel": channels,
        "bits_allocated": int(dataset.BitsAllocated),
        "bits_stored": int(dataset.BitsStored),
        "pixel_representation": int(dataset.get("PixelRepresentation") or 0),
        "photometric_interpretation": str(dataset.PhotometricInterpretation),
        **({"planar_configuration": int(dataset.get("PlanarConfiguration") or 0)} if channels > 1 else {}),
    }
    decoder = get_decoder(_syntax(dataset, data, header))
    values, _ = decoder.as_array(encapsulate([data], has_bot=False), index=0, raw=True, **options)
    return values.view(f"u{values.itemsize}")


def _syntax(dataset: Any, data: bytes, header: jpeg.JpegHeader | None) -> Any:
    """The transfer syntax that a picture has, by its own first bytes where they tell."""
    from pydicom.uid import UID

    declared = dataset.file_meta.TransferSyntaxUID
    if data.startswith(_JPEG_2000_MAGIC):
        return declared if "JPEG 2000" in declared.name else UID(_JPEG_2000)
    if header and header.process == _LOSSLESS_PROCESS and "Lossless" not in declared.name:
        return UID(_JPEG_LOSSLESS)
    if header and header.process == _JPEG_LS_PROCESS and "JPEG-LS" not in declared.name:
        return UID(_JPEG_LS)
    return declared
