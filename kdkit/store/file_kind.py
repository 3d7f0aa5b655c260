"""What kind of file weights are said to be in, by its first bytes."""

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
