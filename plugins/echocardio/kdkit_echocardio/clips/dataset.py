"""Opening DICOM files: with or without the preamble of DICOM PS3.10, and never larger than they may become."""

from __future__ import annotations

import math
import re
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

from kdkit import DataError, largest_bytes, too_large

_PREAMBLE, _MARK = 128, b"DICM"
_DIRECTORY = "DICOMDIR"
_META_GROUP, _IDENTIFYING_GROUP = 0x0002, 0x0008
# A data set begins with the first elements of its first group; in it the tags rise.
_LAST_FIRST_ELEMENT, _LONGEST_FIRST_VALUE = 0x0020, 64
_FIRST_VRS = (b"UL", b"OB", b"UI", b"CS", b"SH", b"LO", b"DA", b"TM", b"DT", b"AE")
_DEFLATED, _EXPLICIT = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.1"
_IMPLICIT, _BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"


def is_dicom(path: Path) -> bool:
    """Whether a file's content is DICOM, whatever its name; the directory of a medium is no recording."""
    try:
        with path.open("rb") as file:
            return path.name.upper() != _DIRECTORY and begins_as_dicom(file.read(_PREAMBLE + len(_MARK)))
    except OSError:
        return False


def begins_as_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes of a file are a DICOM file's, or, without preamble, those of a data set."""
    if head[_PREAMBLE:] == _MARK:
        return True
    return any(_begins_as_dataset(head, order) for order in "<>")


def _begins_as_dataset(head: bytes, order: str) -> bool:
    if len(head) < _PREAMBLE:
        return False
    group, element = struct.unpack(order + "HH", head[:4])
    if group not in (_META_GROUP, _IDENTIFYING_GROUP) or element > _LAST_FIRST_ELEMENT:
        return False
    return head[4:6] in _FIRST_VRS or 0 < struct.unpack(order + "I", head[4:8])[0] <= _LONGEST_FIRST_VALUE


def open_dataset(path: Path, **options: Any) -> Any:
    """The data set in a DICOM file, its transfer syntax set; ``options``: of :func:`pydicom.dcmread`.

    Raises :class:`kdkit.DataError` when it is damaged, or becomes too large where it is deflated.
    """
    import pydicom

    with warnings.catch_warnings():
        # Scanners write values that pydicom finds odd; what matters is checked where it is used.
        warnings.simplefilter("ignore")
        try:
            deflated = _inflated(path)
            dataset: Any = pydicom.dcmread(path if deflated is None else deflated, force=True, **options)
            # Pixels are read by what they are. An empty or damaged name of their syntax is as none.
            if deflated is not None or not _names_syntax(dataset.file_meta):
                implicit, little = dataset.original_encoding
                syntax = _IMPLICIT if implicit else _EXPLICIT if little else _BIG_ENDIAN
                dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
        except DataError:
            raise
        except Exception as error:  # damaged bytes make pydicom raise many kinds
            raise DataError(f"{path} is a damaged DICOM file: {error}", "Export or copy it again.") from error
    return dataset


def _names_syntax(meta: Any) -> bool:
    name = meta.get("TransferSyntaxUID")
    return isinstance(name, str) and re.fullmatch(r"[0-9.]+", name) is not None


def _inflated(path: Path) -> BytesIO | None:
    """The data set of a file in the deflated transfer syntax; None for any other. A kilobyte can hold a gigabyte."""
    from pydicom.filereader import read_file_meta_info

    with path.open("rb") as file:
        if file.read(_PREAMBLE + len(_MARK))[_PREAMBLE:] != _MARK:
            return None
        meta = read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") != _DEFLATED:
            return None
        file.seek(_PREAMBLE + len(_MARK) + 12 + int(meta.FileMetaInformationGroupLength))
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        # What is inflated is copied by the reader, and again as pictures.
        data = inflater.decompress(file.read(), largest_bytes() // 4)
    if inflater.unconsumed_tail:
        raise too_large(path, f"inflates to more than {largest_bytes() / 4e6:,.0f} MB")
    return BytesIO(data)


def number(value: Any) -> float | None:
    """The first finite number of an attribute; None without one."""
    return next(iter(numbers(value)), None)


def numbers(value: Any) -> list[float]:
    """The finite numbers of an attribute with one value or several; none where it is no number."""
    if value is None or isinstance(value, str):
        return []
    try:
        values = [float(one) for one in (value if hasattr(value, "__iter__") else [value])]
    except (TypeError, ValueError):
        return []
    return [one for one in values if math.isfinite(one)]
