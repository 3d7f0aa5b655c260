"""What kind of file somebody has given, by its first bytes."""

from __future__ import annotations

import zipfile
from pathlib import Path

from kdkit.errors import DataError, WeightsError
from kdkit.limits import check_unpacked

# First bytes of files that are often taken for weights.
OTHERS = (
    (b"\x89HDF", "an HDF5 file (of Keras?), not of torch"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b'{"', "a JSON text"),
    (b"{\n", "a JSON text"),
)

# Where the mark of a file with numbers in an order of its own stands, the mark, and what the file is.
_CONTAINERS = (
    (8, b"AVI ", "an AVI video"),
    (4, b"ftyp", "an MP4 or MOV video"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (0, b"\x00\x00\x01\xba", "an MPEG video"),
    (0, b"GIF8", "a GIF animation"),
    (128, b"DICM", "a DICOM file"),
    (344, b"n+1\x00", "a NIfTI file"),
    (344, b"ni1\x00", "a NIfTI file"),
    (0, b"\x1f\x8b\x08", "compressed by gzip"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\x89PNG\r\n", "a PNG picture"),
    (0, b"\xff\xd8\xff\xe0", "a JPEG picture"),
    (0, b"\xff\xd8\xff\xe1", "a JPEG picture"),
    (0, b"II*\x00", "a TIFF picture"),
    (0, b"MM\x00*", "a TIFF picture"),
    (0, b"\x93NUMPY", "a numpy array with a header"),
    (0, b"\x89HDF\r\n", "an HDF5 file"),
)
HEAD_BYTES = 352
"""How many bytes at its begin tell a container."""


def name_container(head: bytes) -> str:
    """What a file is that begins with these bytes ("an AVI video"), where it is no bare row of numbers; else ""."""
    return next((what for place, mark, what in _CONTAINERS if head[place : place + len(mark)] == mark), "")


def check_weights_file(path: Path) -> bytes:
    """The first 512 bytes of a file that may hold weights.

    Raises :class:`WeightsError` for what plainly does not: a folder, an empty file, a Git LFS pointer, a web page.
    """
    if path.is_dir():
        raise WeightsError(f"{path} is a folder, not a weights file", "Name the file in it.")
    if not path.is_file():
        raise WeightsError(f"{path} does not exist")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
    if not head:
        raise WeightsError(f"{path} is empty", "Copy or download it again.")
    # Its length, of any bytes, comes first: those may be the same as another format's.
    if is_safetensors(head, path.stat().st_size):
        return head
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"{path} is a Git LFS pointer, not the weights themselves", "Fetch them: git lfs pull, in the repository."
        )
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<script")):
        raise WeightsError(
            f"{path} is a web page, not weights",
            "The download gave a log-in or an error page: open the file to see which, and download it again.",
        )
    other = next((what for magic, what in OTHERS if head.startswith(magic)), "")
    if other:
        raise WeightsError(f"{path} is {other}", "Expected safetensors, or a state dict saved with torch.save.")
    return head


def is_safetensors(head: bytes, size: int) -> bool:
    """A little-endian length of 8 bytes, then a header of JSON that is so long."""
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= size - 8


def check_zip(path: Path) -> None:
    """Raise :class:`WeightsError` for a zip archive that torch.save has not written, or not to its end.

    Nor may it unpack to more than one file may take (:func:`kdkit.limits.check_unpacked`).
    """
    with path.open("rb") as file:
        if file.read(4) not in (b"PK\x03\x04", b"PK\x05\x06"):
            return
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2]: name for name in archive.namelist()}
            below = {name.partition("/")[2] for name in archive.namelist()}
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise WeightsError(
            f"{path} is not a whole torch file: its end is missing", "Copy or download it again."
        ) from error
    try:
        check_unpacked(path, size)
    except DataError as error:
        raise WeightsError(error.message, error.remedy) from error
    program = ""
    if "archive_format" in below or "serialized_exported_program.json" in names:
        program = "an exported program (torch.export)"
    elif "constants.pkl" in below:
        program = "a TorchScript program"
    if program:
        raise WeightsError(
            f"{path} is {program}: network and weights together, not a state dict",
            "Choose a teacher that runs programs (kdkit plugins list), or save the network's state dict by itself.",
        )
    if "data.pkl" not in names:
        shown = ", ".join(list(names.values())[:3])
        raise WeightsError(
            f"{path} is a zip archive that torch.save has not written; it holds {shown or 'nothing'}",
            "Unpack it, and name the weights file in it.",
        )
