"""Reading MetaImage headers (.mhd with .raw or .zraw, .mha), the format of CAMUS's older release and of ITK.

The header is text, a ``Key = value`` a line (ITK's MetaIO documentation); pixels lie in another file of the same
folder, in one file for each frame, or after the header, as they are or compressed by zlib.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np

from kdkit import DataError, check_ends

from .picture import Picture, claimed_shape, plausible_steps

# MetaIO's longs have four bytes on every machine.
_TYPES = {
    "MET_UCHAR": "u1",
    "MET_CHAR": "i1",
    "MET_USHORT": "u2",
    "MET_SHORT": "i2",
    "MET_UINT": "u4",
    "MET_INT": "i4",
    "MET_ULONG": "u4",
    "MET_LONG": "i4",
    "MET_ULONG_LONG": "u8",
    "MET_LONG_LONG": "i8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MOST_HEADER = 1 << 16
_MOST_FILES = 10_000
_PATTERN = re.compile(r"[^%]*%(0?\d)?d[^%]*")


def read_metaimage(path: Path) -> Picture:
    """The picture of a MetaImage header: 2D, or 3D with frames last.

    What is rare (pixels as text, compressed pixels of several files) is left to SimpleITK, where it is installed.
    Raises :class:`kdkit.DataError`, which names the file, when it or its pixels are missing, truncated, damaged or no
    such picture.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_MOST_HEADER)
        fields, end = _fields(path, head)
        dtype, (width, height, count) = _declared_layout(path, fields)
        size = width * height * count * dtype.itemsize
        sources = _sources(path, fields, head[end:], count)
        if (_is_set(fields, "CompressedData") and len(sources) > 1) or not _is_set(fields, "BinaryData", "True"):
            from .itk import read_by_itk

            return read_by_itk(path)
        data = b"".join(_pixels(path, source, fields, end, size // len(sources)) for source in sources)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}: {error.filename or ''}") from error
    if len(data) < size:
        detail = f"{len(data)} of {size} bytes of pixels are there"
        raise DataError(f"{path} is truncated: {detail}", "Copy it again from its source, with its .raw file.")
    return Picture(np.frombuffer(data, dtype).reshape(count, height, width), _steps(path, fields))


def _fields(path: Path, data: bytes) -> tuple[dict[str, str], int]:
    """The header's values and where it ends: ElementDataFile is its last line."""
    fields: dict[str, str] = {}
    position = 0
    for line in data.splitlines(keepends=True):
        position += len(line)
        key, equals, value = line.decode("latin-1").partition("=")
        if not equals:
            break
        fields[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            return fields, position
    raise DataError(f"{path} is no MetaImage header: it has no line ElementDataFile = ...")


def _declared_layout(path: Path, fields: dict[str, str]) -> tuple[np.dtype, tuple[int, int, int]]:
    """The type of the pixels, and width, height and frames."""
    if fields.get("ElementNumberOfChannels", "1") != "1":
        raise DataError(f"{path} has {fields['ElementNumberOfChannels']} channels; grey pictures are read")
    name = fields.get("ElementType", "nothing")
    if name not in _TYPES:
        raise DataError(f"{path} has pixels of type {name}; known are {', '.join(_TYPES)}")
    big = _is_set(fields, "BinaryDataByteOrderMSB") or _is_set(fields, "ElementByteOrderMSB")
    dtype = np.dtype(_TYPES[name]).newbyteorder(">" if big else "<")
    try:
        sizes = [int(text) for text in fields.get("DimSize", "").split()]
    except ValueError as error:
        raise DataError(f"{path} has a DimSize of {fields['DimSize']!r:.60}") from error
    return dtype, claimed_shape(path, sizes, dtype.itemsize)


def _is_set(fields: dict[str, str], key: str, default: str = "False") -> bool:
    return fields.get(key, default)[:1] in ("T", "t", "1")


def _sources(path: Path, fields: dict[str, str], after: bytes, count: int) -> list[Path]:
    """The files of the pixels, one or one for each frame; the header itself where they follow it.

    ``ElementDataFile`` is LOCAL, a name, ``LIST`` before the names, or a pattern with the first, last and step.
    """
    source = fields["ElementDataFile"]
    words = source.split()
    if source.upper() == "LOCAL":
        return [path]
    if words and words[0].upper() == "LIST":
        names = [line.strip() for line in after.decode("latin-1").splitlines() if line.strip()]
    elif len(words) in (3, 4) and "%" in words[0]:
        names = _expand_pattern(path, words)
    else:
        names = [source]
    if len(names) not in (1, count):
        raise DataError(f"{path} names {len(names)} files of pixels for {count} frames")
    return [_data_file(path, name) for name in names]


def _expand_pattern(path: Path, words: list[str]) -> list[str]:
    """The names that a pattern as ``frame%03d.raw 1 20 1`` means."""
    pattern, *numbers = words
    try:
        first, last, step = (int(number) for number in [*numbers, "1"][:3])
    except ValueError:
        step = 0
    if step < 1 or not _PATTERN.fullmatch(pattern) or not 0 <= (last - first) // step < _MOST_FILES:
        raise DataError(f"{path} has the ElementDataFile {' '.join(words)!r:.60}, which means no files")
    return [pattern % number for number in range(first, last + 1, step)]


def _data_file(path: Path, name: str) -> Path:
    """The file of the pixels; a header must not point anywhere else."""
    if not name or Path(name).name != name or "\0" in name or "\\" in name:
        raise DataError(f"{path} names pixels outside its folder ({name!r:.60}); they are read from beside it only")
    return path.with_name(name)


def _pixels(path: Path, source: Path, fields: dict[str, str], end: int, size: int) -> bytes:
    """``size`` bytes of pixels in a file, or as many as there are.

    Those of the header's own file follow it; in another one HeaderSize bytes come first, or all but the last ``size``
    where it is -1.
    """
    check_ends(source)
    available = source.stat().st_size
    start = end if source == path else _header_size(path, fields, available - size)
    with source.open("rb") as file:
        file.seek(start)
        if not _is_set(fields, "CompressedData"):
            return file.read(min(size, max(0, available - start)))
        # zlib stores what it cannot compress, and a few bytes with it.
        return _unpack(source, file.read(min(available, size + size // 500 + 1000)), size)


def _unpack(source: Path, data: bytes, size: int) -> bytes:
    """The first ``size`` bytes of what zlib has compressed, or as many as there are; never more is unpacked."""
    stream = zlib.decompressobj()
    try:
        pixels = stream.decompress(data, size)
        # The checksum at the end is verified on reading it.
        more = stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error as error:
        raise DataError(f"{source} is truncated or damaged: {error}", "Copy it again from its source.") from error
    if len(pixels) == size and not more and not stream.eof:
        raise DataError(f"{source} is truncated: its checksum is missing", "Copy it again from its source.")
    return pixels


def _header_size(path: Path, fields: dict[str, str], last: int) -> int:
    try:
        size = int(fields.get("HeaderSize", "0"))
    except ValueError as error:
        raise DataError(f"{path} has a HeaderSize of {fields['HeaderSize']!r:.60}") from error
    return max(0, last) if size < 0 else size


def _steps(path: Path, fields: dict[str, str]) -> tuple[float, float] | None:
    """The width and height of a pixel: ElementSpacing, or ElementSize where there is none."""
    text = fields.get("ElementSpacing", fields.get("ElementSize", ""))
    try:
        steps = [float(word) for word in text.split()]
    except ValueError as error:
        raise DataError(f"{path} has an ElementSpacing of {text!r:.60}") from error
    return plausible_steps(*steps[:2]) if len(steps) >= 2 else None
