"""Reading images and clips from files, as the options of the folder generator say."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kdkit import DataError, check_unpacked, largest_bytes, too_large
from kdkit_generators.extras import import_extra

Fault = tuple[str, str]
# Pillow goes by the content, and hands PostScript, for one, to a program that runs it.
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
# While a picture is read: as it is decoded and as it is converted, in four channels at most.
_BYTES_A_PIXEL = 8
# A decoder of clips keeps frames that others refer to.
_FRAMES_AT_A_TIME = 4


def fault(path: Path, options: Any) -> Fault | None:
    """The kind and the words of what keeps a file from being used; None when nothing does."""
    try:
        if options.kind == "images":
            _image(path, options)
            return None
        with _capture(path) as capture:
            frames = sum(1 for _ in _frames(capture, options.frames))
    except DataError as error:
        return "unreadable", error.message.removeprefix(f"{path} ")
    minimum = options.frames or 1
    return None if frames >= minimum else ("too-short", f"has {frames} frames of {minimum}")


def read(path: Path, options: Any) -> np.ndarray:
    """uint8, of the shape that the options say. Raises :class:`kdkit.DataError` when the file cannot be read."""
    if options.kind == "images":
        return _image(path, options)
    frames: list[np.ndarray] = []
    with _capture(path) as capture:
        for frame in _frames(capture, options.frames):
            frames.append(_convert_frame(frame, options))
            # They lie in memory twice when they become one array.
            if 2 * len(frames) * frames[0].nbytes > largest_bytes():
                raise too_large(path, f"is too long: {len(frames)} frames of {frames[0].nbytes:,} bytes")
    if not frames:
        raise DataError(f"{path} holds no frame that can be decoded")
    return np.stack(frames)


def _image(path: Path, options: Any) -> np.ndarray:
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(path, formats=_FORMATS) as file:
            warnings.simplefilter("ignore")  # of Pillow's on large pictures: here they are refused
            check_unpacked(path, file.width * file.height * _BYTES_A_PIXEL)
            image = file.convert("L" if options.colour == "gray" else "RGB")
            if options.size:
                image = image.resize(options.size[::-1], Image.Resampling.BOX if _shrinks(file, options) else None)
            return np.asarray(image)
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds on damaged bytes
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{path} is not a whole image file: {reason}") from error


def _shrinks(image: Any, options: Any) -> bool:
    """Whether neither side grows: then each pixel is the mean of what it covers."""
    return bool(image.height >= options.size[0] and image.width >= options.size[1])


@contextmanager
def _capture(path: Path) -> Iterator[Any]:
    cv2 = import_extra("cv2", "clips", "the generator folder, for clips,")
    capture = cv2.VideoCapture(str(path.absolute()))
    try:
        if not capture.isOpened():
            raise DataError(f"{path} is not a clip that can be decoded")
        extent = capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        check_unpacked(path, int(extent) * _BYTES_A_PIXEL * _FRAMES_AT_A_TIME)
        yield capture
    finally:
        capture.release()


def _frames(capture: Any, limit: int | None) -> Iterator[np.ndarray]:
    """Frames in OpenCV's order of channels, ``limit`` of them at most."""
    number = 0
    while limit is None or number < limit:
        is_whole, frame = capture.read()
        if not is_whole:
            return
        number += 1
        yield frame


def _convert_frame(frame: np.ndarray, options: Any) -> np.ndarray:
    import cv2

    code = cv2.COLOR_BGR2GRAY if options.colour == "gray" else cv2.COLOR_BGR2RGB
    image = cv2.cvtColor(frame, code)
    if options.size:
        shrinks = frame.shape[0] >= options.size[0] and frame.shape[1] >= options.size[1]
        image = cv2.resize(image, options.size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(image)
