"""Reading MetaImage pictures (.mhd with .raw), the format of CAMUS's older release.

The header is text, a ``Key = value`` a line (ITK's MetaIO documentation); pixels lie uncompressed in another file of
the same folder, or after the header.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdkit import DataError

from .picture import Picture, claimed_shape, plausible_steps

_TYPES = {
    "MET_UCHAR": "u1",
    "MET_CHAR": "i1",
    "MET_USHORT": "u2",
    "MET_SHORT": "i2",
    "MET_UINT": "u4",
    "MET_INT": "i4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MOST_HEADER = 1 << 16


def read_metaimage(path: Path) -> Picture:
    """The picture of a MetaImage header: 2D, or 3D with frames last.

    Raises :class:`kdkit.DataError`, which names the file, when it or its pixels are missing, truncated, compressed,
    or no such picture.
    """
    try:
        with path.open("rb") as file:
            fields, end = _fields(path, file.read(_MOST_HEADER))
        dtype, (width, height, count) = _declared_layout(path, fields)
        size = width * height * count * dtype.itemsize
        source = fields["ElementDataFile"]
        data = _pixels(path, end, size) if source == "LOCAL" else _pixels(_data_file(path, source), 0, size)
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
    if fields.get("CompressedData", "False").lower() == "true":
        raise DataError(f"{path} has compressed pixels, which are not read", "Save it again uncompressed.")
    if fields.get("ElementNumberOfChannels", "1") != "1":
        raise DataError(f"{path} has {fields['ElementNumberOfChannels']} channels; grey pictures are read")
    name = fields.get("ElementType", "nothing")
    if name not in _TYPES:
        raise DataError(f"{path} has pixels of type {name}; known are {', '.join(_TYPES)}")
    order = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    dtype = np.dtype(_TYPES[name]).newbyteorder(">" if order.lower() == "true" else "<")
    try:
        sizes = [int(text) for text in fields.get("DimSize", "").split()]
    except ValueError as error:
        raise DataError(f"{path} has a DimSize of {fields['DimSize']!r:.60}") from error
    return dtype, claimed_shape(path, sizes, dtype.itemsize)


def _data_file(path: Path, name: str) -> Path:
    """The file of the pixels; a header must not point anywhere else."""
    if not name or Path(name).name != name or "\0" in name or "\\" in name:
        raise DataError(f"{path} names pixels outside its folder ({name!r:.60}); they are read from beside it only")
    return path.with_name(name)


def _pixels(path: Path, start: int, size: int) -> bytes:
    """``size`` bytes from ``start``, or as many as there are."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(min(size, max(0, path.stat().st_size - start)))


def _steps(path: Path, fields: dict[str, str]) -> tuple[float, float] | None:
    try:
        steps = [float(text) for text in fields.get("ElementSpacing", "").split()]
    except ValueError as error:
        raise DataError(f"{path} has an ElementSpacing of {fields['ElementSpacing']!r:.60}") from error
    return plausible_steps(*steps[:2]) if len(steps) >= 2 else None
