"""What container files begin with, and the length that they declare, to detect truncated files.

A decoder conceals that a file was cut in the middle of a frame: it decodes the first half and counts the frame. The
container declares how many bytes there should be.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_MOST_CHUNKS = 10_000
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
# Kinds of ISO base media files that hold moving pictures; those of sound and of stills are left out.
_BRANDS = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V ", b"MSNV")
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def begins_as_video(head: bytes) -> bool:
    """Whether the first 12 bytes of a file are those of an AVI, MP4, MOV, MKV, WebM or MPEG file, or of a GIF."""
    if head[4:8] == b"ftyp":
        return head[8:12] in _BRANDS
    return (
        (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or head[:4] in (_EBML, b"\x00\x00\x01\xba", b"GIF8")
        or head[4:8] == b"moov"
    )


def missing_bytes(path: Path) -> int:
    """How many bytes of picture data an AVI, MP4, MOV or MKV lacks at its end; 0 if complete, or another container.

    A missing index after the pictures does not count: no frame is lost.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"AVI ":
            end = _end_of_movi(file, size)
        elif head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
            end = _end_of_mdat(file, size)
        elif head[:4] == _EBML:
            end = _end_of_segment(file)
        else:
            end = 0
    return max(0, end - size)


def _end_of_movi(file: BinaryIO, size: int) -> int:
    """Where the list ``movi`` of an AVI file ends (Microsoft AVI RIFF file reference)."""
    position = 12
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(12)
        if len(head) < 12:
            return 0
        name, length = struct.unpack("<4sI", head[:8])
        if name == b"LIST" and head[8:] == b"movi":
            return 0 if length in _UNKNOWN_SIZES else position + 8 + length
        position += 8 + length + length % 2
        if position >= size:
            return 0
    return 0


def _end_of_mdat(file: BinaryIO, size: int) -> int:
    """Where the last media data box of an ISO base media file ends (ISO/IEC 14496-12)."""
    position = end = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(16)
        if len(head) < 8:
            break
        length, name = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        if length < 8:  # 0: the box reaches to the end of the file, wherever that is
            break
        position += length
        if name == b"mdat":
            end = position
        if position >= size:
            break
    return end


def _end_of_segment(file: BinaryIO) -> int:
    """Where the segment of a Matroska or WebM file ends (RFC 8794, RFC 9559); 0 where it does not say."""
    file.seek(len(_EBML))
    file.seek(_ebml_size(file) or 0, 1)
    if file.read(4) != _SEGMENT:
        return 0
    size = _ebml_size(file)
    return 0 if size is None else file.tell() + size


def _ebml_size(file: BinaryIO) -> int | None:
    """The size that follows: as many bytes as the first has leading zero bits, and one; None for an unknown one."""
    first = file.read(1)
    width = 9 - first[0].bit_length() if first else 9
    data = first + file.read(width - 1)
    if width > 8 or len(data) < width:
        return None
    mask = (1 << 7 * width) - 1
    size = int.from_bytes(data, "big") & mask
    return None if size == mask else size
