"""Compressed pictures in the pixel data of a DICOM file, found by where pictures begin and decoded by what they are.

Neither NumberOfFrames nor the transfer syntax has to be right.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kdkit import DataError

from . import jpeg
from .clip import check_extent
from .stored import Stored, declared_count

_JPEG_2000_MAGIC = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")
_JPEG_2000, _JPEG_LOSSLESS, _JPEG_LS = "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.81"
_LOSSLESS_PROCESS, _JPEG_LS_PROCESS = 0xC3, 0xF7
_ITEM = b"\xfe\xff\x00\xe0"
_AGAIN = "Export or copy it again."


def is_encapsulated(dataset: Any) -> bool:
    """Whether the pixel data are compressed pictures in items, whatever the transfer syntax says."""
    return bool(dataset.PixelData[:4] == _ITEM)


def fragments(dataset: Any) -> list[bytes]:
    """The items of encapsulated pixel data, without the table of offsets that precedes them."""
    from pydicom.encaps import generate_fragments

    items = list(generate_fragments(dataset.PixelData))
    return [item for number, item in enumerate(items) if item and (number or _begins_picture(item))]


def compressed(path: Path, dataset: Any) -> Stored:
    """The pictures in encapsulated pixel data. Raises :class:`kdkit.DataError` for none, or for too large ones."""
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
