"""Reading DICOM ultrasound cines through pydicom.

Attributes by DICOM PS3.3: Frame Time (C.7.6.5), US Region Calibration (C.8.5.5). JPEG baseline, JPEG 2000 and RLE
need nothing but Pillow; JPEG lossless and JPEG-LS need another decoder, which pydicom finds once it is installed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from PIL import Image, UnidentifiedImageError
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, get_decoder, iter_pixels
from pydicom.pixels.utils import get_nr_frames

from kdkit import DataError

from .clip import Clip, bounded, build_clip, check_size, plausible_rate

_SPATIAL_2D, _TISSUE, _CENTIMETRES = 1, 1, 3


def read_dicom(path: Path) -> Clip:
    """The cine in a DICOM file. Raises :class:`kdkit.DataError` if it holds none, is truncated or damaged."""
    with warnings.catch_warnings():
        # Scanners write values that pydicom finds odd; what matters here is checked here.
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path)
        except Exception as error:  # damaged bytes make pydicom raise many kinds
            raise DataError(f"{path} is a damaged DICOM file: {error}") from error
        if "PixelData" not in dataset:
            raise DataError(f"{path} is a DICOM file without pixel data ({dataset.get('Modality', 'no modality')})")
        frames: list[np.ndarray] = []
        try:
            declared = get_nr_frames(dataset, warn=False)
            check_size(path, dataset.Columns, dataset.Rows)
            _check_pictures(path, dataset, declared)
            frames.extend(bounded(path, _grey_frames(dataset)))
            fps, regions = _rate(dataset), _regions(dataset)
            spacing = _spacing(dataset, regions)
        except DataError:
            raise
        except Exception as error:
            raise _decoding_error(path, dataset, len(frames), error) from error
    if len(frames) < declared:
        raise DataError(f"{path} is truncated or damaged: {len(frames)} of {declared} frames could be decoded")
    box = _box(regions[0]) if len(regions) == 1 else None
    return build_clip(path, frames, fps=fps, spacing_mm=spacing, region=box)


def _check_pictures(path: Path, dataset: pydicom.Dataset, declared: int) -> None:
    """Raise :class:`kdkit.DataError` where a compressed picture claims another size than the file does.

    Decoders trust the picture: a hundred bytes can make them fill gigabytes for minutes.
    """
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    for data in generate_frames(dataset.PixelData, number_of_frames=declared):
        try:
            with Image.open(BytesIO(data)) as picture:
                size = picture.size
        except UnidentifiedImageError:  # RLE and JPEG-LS: Pillow is not what decodes them
            return
        if size != (dataset.Columns, dataset.Rows):
            reason = f"pictures of {size[0]}x{size[1]} pixels in frames of {dataset.Columns}x{dataset.Rows}"
            raise DataError(f"{path} is damaged: {reason}")


def _grey_frames(dataset: pydicom.Dataset) -> Iterator[np.ndarray]:
    """uint8 (H, W), one at a time: colour cines in full are large."""
    kind = dataset.PhotometricInterpretation
    for frame in iter_pixels(dataset):
        if kind == "PALETTE COLOR":
            frame = apply_color_lut(frame, dataset)
            bits = 8 * frame.itemsize
        else:
            bits = int(dataset.BitsStored)
        frame = _eight_bits(frame, bits)
        if frame.ndim == 3:
            frame = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
        yield 255 - frame if kind == "MONOCHROME1" else frame


def _eight_bits(frame: np.ndarray, bits: int) -> np.ndarray:
    if frame.dtype.kind != "u":
        raise ValueError(f"pixels are {frame.dtype}; ultrasound pictures are unsigned")
    if bits > 8:
        frame = frame >> (bits - 8)
    return np.clip(frame, 0, 255).astype(np.uint8)


def _rate(dataset: pydicom.Dataset) -> float | None:
    """Frames per second: from Frame Time or its vector (ms), else from the rates meant for display."""
    if dataset.get("FrameTime"):
        return plausible_rate(1000.0 / float(dataset.FrameTime))
    # The vector's first entry is always 0: the time before the first frame.
    vector = [float(value) for value in dataset.get("FrameTimeVector") or []][1:]
    if sum(vector) > 0:
        return plausible_rate(1000.0 * len(vector) / sum(vector))
    rate = dataset.get("CineRate") or dataset.get("RecommendedDisplayFrameRate")
    return plausible_rate(float(rate)) if rate else None


def _regions(dataset: pydicom.Dataset) -> list[Any]:
    """The 2D tissue regions inside the frame.

    A file that was scaled down for export often keeps the regions of the original; such a region reaches beyond the
    frame, and neither its place nor its scale is reliable.
    """
    regions_inside = []
    for region in dataset.get("SequenceOfUltrasoundRegions") or []:
        if region.get("RegionSpatialFormat") == _SPATIAL_2D and region.get("RegionDataType") == _TISSUE:
            left, top, right, bottom = _box(region)
            # The standard counts from 0 and includes the last pixel; some scanners write the frame's size as last.
            if 0 <= left < right <= dataset.Columns + 1 and 0 <= top < bottom <= dataset.Rows + 1:
                regions_inside.append(region)
    return regions_inside


def _box(region: Any) -> tuple[int, int, int, int]:
    left, top = int(region.RegionLocationMinX0), int(region.RegionLocationMinY0)
    return left, top, int(region.RegionLocationMaxX1) + 1, int(region.RegionLocationMaxY1) + 1


def _spacing(dataset: pydicom.Dataset, regions: list[Any]) -> float | None:
    """Millimetres per pixel where one number holds for the whole picture and both directions."""
    steps = set()
    for region in regions:
        if (region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")) != (_CENTIMETRES,) * 2:
            return None
        steps.add((abs(float(region.PhysicalDeltaX)) * 10, abs(float(region.PhysicalDeltaY)) * 10))
    if not regions and "SequenceOfUltrasoundRegions" not in dataset and dataset.get("PixelSpacing"):
        steps.add((float(dataset.PixelSpacing[1]), float(dataset.PixelSpacing[0])))
    if len(steps) != 1:
        return None
    x, y = steps.pop()
    return (x + y) / 2 if x > 0 and abs(x - y) <= 0.01 * x else None


def _decoding_error(path: Path, dataset: pydicom.Dataset, frame_count: int, error: Exception) -> DataError:
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    name = getattr(syntax, "name", "an unknown transfer syntax")
    if syntax is not None and syntax.is_encapsulated and not _has_decoder(syntax):
        return DataError(
            f"{path} is compressed as {name}, for which no decoder is installed",
            "pip install python-gdcm (or pylibjpeg with pylibjpeg-libjpeg, which is GPL), or export it again as JPEG "
            "baseline.",
        )
    return DataError(f"{path} ({name}) cannot be decoded after {frame_count} frames: {error}")


def _has_decoder(syntax: pydicom.uid.UID) -> bool:
    """Whether pydicom found a library for a compression; one that failed on damaged pictures was there."""
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False
