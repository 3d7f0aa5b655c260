"""Reading DICOM ultrasound cines through pydicom.

What the header says is checked against the pixel data, and those are believed. JPEG, JPEG 2000, RLE and MPEG need
nothing else; JPEG lossless and JPEG-LS need another decoder, which pydicom finds once it is installed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from kdkit import DataError

from . import jpeg
from .clip import Clip, build_clip, check_extent
from .colour import choose_reading, from_partial_ycc, from_ycc, unchanged
from .compressed import compressed, fragments, is_encapsulated
from .dataset import open_dataset
from .greys import grey_scale
from .header import frame_times, names_other_view, rate, region_box, regions, spacing
from .stored import Stored, declared_count, uncompressed
from .tables import look_up, palette
from .video import decode_video

_AGAIN = "Export or copy it again."
Picture = Callable[[np.ndarray], np.ndarray]


def read_dicom(path: Path) -> Clip:
    """The cine in a DICOM file. Raises :class:`kdkit.DataError` if it holds none, is truncated or damaged."""
    dataset = open_dataset(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _check_pixel_data(path, dataset)
            clip = _decode_mpeg(path, dataset) if _is_mpeg(dataset) else _decode(path, dataset)
            boxes = regions(dataset)
            flags = clip.flags + (("other-view",) if names_other_view(dataset) else ())
            declared = declared_count(dataset)
            if declared != len(clip.frames):
                flags = (*flags, "frame-count")
            box = region_box(boxes[0]) if len(boxes) == 1 else None
            clip = replace(clip, spacing_mm=spacing(dataset, boxes), region=box, flags=flags)
        except DataError:
            raise
        except Exception as error:  # pydicom and Pillow raise many kinds on damaged bytes
            raise _decoding_error(path, dataset, error) from error
    return clip


def _check_pixel_data(path: Path, dataset: Any) -> None:
    """Raise :class:`kdkit.DataError` where the pixel data are missing or break off."""
    if "PixelData" not in dataset:
        if dataset.get("Rows"):
            raise DataError(f"{path} is truncated: its pixel data are not there, or break off", _AGAIN)
        raise DataError(
            f"{path} is a DICOM file without pixel data ({dataset.get('Modality') or 'no modality'})",
            "Only cines of pictures can be measured.",
        )
    if not dataset.get("Rows") or not dataset.get("Columns"):
        raise DataError(f"{path} is damaged: it does not say how large its pictures are", _AGAIN)
    check_extent(path, 1, int(dataset.Columns), int(dataset.Rows))
    raw = dataset.get_item("PixelData")
    declared, there = getattr(raw, "length", None), len(raw.value or b"")
    if declared not in (None, 0xFFFFFFFF) and there < declared:
        count = declared_count(dataset) or 1
        raise DataError(
            f"{path} is truncated: {there * count // declared} of {count} frames are there, "
            f"{there} of {declared} bytes",
            _AGAIN,
        )


def _decode(path: Path, dataset: Any) -> Clip:
    stored = compressed(path, dataset) if is_encapsulated(dataset) else uncompressed(path, dataset)
    grey, flags = _picture_maker(dataset, stored)
    clip = build_clip(path, (grey(stored.read(index)) for index in range(stored.count)))
    return replace(clip, flags=tuple(flags), fps=rate(dataset), times=frame_times(dataset, stored.count))


def _picture_maker(dataset: Any, stored: Stored) -> tuple[Picture, list[str]]:
    """How values as stored become uint8, grey (H, W) or RGB (H, W, 3), and flags for what was not believed."""
    if stored.samples[0].ndim == 3:
        return _colour_maker(dataset, stored)
    if str(dataset.get("PhotometricInterpretation")) == "PALETTE COLOR":
        try:
            table, first, as_declared = palette(dataset)
        except Exception:  # without a palette the values are all there is
            grey, flags = grey_scale(dataset, stored)
            return grey, ["palette", *flags]
        return (lambda values: look_up(table, first, values)), [] if as_declared else ["palette"]
    return grey_scale(dataset, stored)


def _colour_maker(dataset: Any, stored: Stored) -> tuple[Picture, list[str]]:
    samples = stored.samples
    most = max(int(sample.max()) for sample in samples)
    shift = max(0, most.bit_length() - 8) if samples[0].itemsize > 1 else 0
    in_header = _declared_reading(dataset)
    header = jpeg.read_header(stored.first) if stored.first.startswith(jpeg.MAGIC) else None
    if header and header.subsampled:
        return (lambda values: from_ycc(values >> shift)), [] if in_header.startswith("YCC") else ["colour-space"]
    readings: dict[str, Picture] = {"RGB": unchanged, "YCC": from_ycc}
    if in_header == "YCC partial":
        readings["YCC partial"] = from_partial_ycc
    if not stored.first:
        readings |= {f"{name} planar": _planar(reading) for name, reading in readings.items()}
        in_header += " planar" if dataset.get("PlanarConfiguration") == 1 and not _is_halved(dataset) else ""
    declared = _marked_reading(header) or in_header
    name = choose_reading([_shifted(sample, shift) for sample in samples], readings, declared)
    reading = readings[name]
    return (lambda values: reading(_shifted(values, shift))), ["colour-space"] if name != in_header else []


def _shifted(values: np.ndarray, shift: int) -> np.ndarray:
    return np.clip(values >> shift, 0, 255).astype(np.uint8)


def _declared_reading(dataset: Any) -> str:
    """What the header says of three channels. JPEG 2000's own transforms are undone by its decoder."""
    kind = str(dataset.get("PhotometricInterpretation"))
    if kind.startswith("YBR_PARTIAL"):
        return "YCC partial"
    return "YCC" if kind.startswith("YBR_FULL") else "RGB"


def _marked_reading(header: jpeg.JpegHeader | None) -> str | None:
    """What a JPEG picture's own markers say of its three channels; None without any."""
    if header is None:
        return None
    if header.jfif or header.transform == 1:
        return "YCC"
    return "RGB" if header.transform == 0 or header.ids == tuple(b"RGB") else None


def _is_halved(dataset: Any) -> bool:
    return str(dataset.get("PhotometricInterpretation")).endswith("_422")


def _planar(reading: Picture) -> Picture:
    """The reading of three planes, one after the other."""

    def read(values: np.ndarray) -> np.ndarray:
        return reading(np.moveaxis(values.reshape(3, *values.shape[:2]), 0, -1))

    return read


def _is_mpeg(dataset: Any) -> bool:
    name = dataset.file_meta.TransferSyntaxUID.name
    return is_encapsulated(dataset) and any(word in name for word in ("MPEG", "HEVC"))


def _decode_mpeg(path: Path, dataset: Any) -> Clip:
    clip = decode_video(path, BytesIO(b"".join(fragments(dataset))))
    fps, times = rate(dataset), frame_times(dataset, len(clip.frames))
    return clip if fps is None else replace(clip, fps=fps, times=times)


def _decoding_error(path: Path, dataset: Any, error: Exception) -> DataError:
    # Of a damaged file, nothing that is asked here has to be there either.
    try:
        syntax: Any = dataset.file_meta.TransferSyntaxUID
        name, lacks_decoder = str(syntax.name), is_encapsulated(dataset) and not _has_decoder(syntax)
    except Exception:
        name, lacks_decoder = "an unknown transfer syntax", False
    if lacks_decoder:
        return DataError(
            f"{path} is compressed as {name}, for which no decoder is installed",
            "pip install python-gdcm (or pylibjpeg with pylibjpeg-libjpeg, which is GPL), or export it again as JPEG "
            "baseline.",
        )
    return DataError(f"{path} ({name}) cannot be decoded: {error}", _AGAIN)


def _has_decoder(syntax: Any) -> bool:
    """Whether pydicom found a library for a compression; one that failed on damaged pictures was there."""
    from pydicom.pixels import get_decoder

    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False
