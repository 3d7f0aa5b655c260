"""JPEG pictures as they are stored, before anybody's idea of their colours is applied (ITU-T T.81)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

MAGIC = b"\xff\xd8\xff"
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP0, _APP14, _START_OF_SCAN, _JPEG_LS = 0xE0, 0xEE, 0xDA, 0xF7

# The marker that makes libjpeg give three components as they are: Adobe's, with no transform.
_NO_TRANSFORM = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"


@dataclass(frozen=True)
class JpegHeader:
    """What a picture says of itself before its first scan.

    ``process``: the low byte of its start of frame; ``sampling``: horizontal and vertical factors of each component;
    ``ids``: of each component; ``transform``: Adobe's, None without its marker; ``jfif``: whether it has JFIF's.
    """

    process: int
    precision: int
    width: int
    height: int
    ids: tuple[int, ...]
    sampling: tuple[tuple[int, int], ...]
    transform: int | None
    jfif: bool

    @property
    def by_cosines(self) -> bool:
        """Whether it is of eight bits and one of the processes that libjpeg decodes."""
        return self.precision == 8 and self.process in (_BASELINE, _EXTENDED, _PROGRESSIVE)

    @property
    def subsampled(self) -> bool:
        """Whether a component is coarser than another: only differences of colour are stored so, never RGB."""
        return len(set(self.sampling)) > 1


def read_header(data: bytes) -> JpegHeader | None:
    """The header of a picture; None where it is no JPEG, or damaged before its frame is described."""
    transform, jfif = None, False
    for marker, start, end in _segments(data):
        body = data[start + 4 : end]
        if marker == _APP0 and body[:4] == b"JFIF":
            jfif = True
        elif marker == _APP14 and body[:5] == b"Adobe" and len(body) >= 12:
            transform = body[11]
        elif marker in _FRAMES or marker == _JPEG_LS:
            if len(body) < 6 or len(body) < 6 + 3 * body[5]:
                return None
            precision, height, width, count = struct.unpack(">BHHB", body[:6])
            parts = [body[6 + 3 * number : 9 + 3 * number] for number in range(count)]
            ids, factors = tuple(part[0] for part in parts), tuple((part[1] >> 4, part[1] & 15) for part in parts)
            return JpegHeader(marker, precision, width, height, ids, factors, transform, jfif)
    return None


def decode(data: bytes) -> np.ndarray:
    """The components of an eight-bit picture as stored: uint8 (H, W) or (H, W, 3), coarser ones enlarged."""
    kept, rest = [data[:2], _NO_TRANSFORM], 2
    for marker, start, end in _segments(data):
        if marker == _START_OF_SCAN:
            break
        rest = end
        if marker not in (_APP0, _APP14):
            kept.append(data[start:end])
    with Image.open(BytesIO(b"".join([*kept, data[rest:]])), formats=["JPEG"]) as picture:
        if picture.mode not in ("L", "RGB"):
            raise ValueError(f"a JPEG picture of the mode {picture.mode}")
        return np.asarray(picture)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker of each segment up to the first scan, and where the segment begins and ends."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        length = struct.unpack(">H", data[position + 2 : position + 4])[0]
        yield data[position + 1], position, position + 2 + length
        position += 2 + length
