"""``--out``: where a command writes, tried before it does anything else."""

import os
from pathlib import Path
from typing import Any

import typer

from kdkit.errors import StoreError, UsageError

_REMEDY = "Choose another folder with --out."


def out_folder(text: str) -> Any:
    """The option ``--out`` of a command that writes a folder, with this help."""
    return typer.Option("--out", help=text, show_default=False, callback=check_folder)


def out_file(text: str) -> Any:
    """The option ``--out`` of a command that writes one file, with this help."""
    return typer.Option("--out", help=text, show_default=False, callback=check_file)


def check_folder(folder: Path | None) -> Path | None:
    """The folder, unless it cannot become one.

    Raises :class:`UsageError` where a file stands in the way, :class:`StoreError` where no folder can be made. One
    that is there is not tried: of a finished run on a disk that cannot be written nothing may have to be written.
    """
    if folder is not None and not folder.is_dir():
        _try(folder, folder)
    return folder


def check_file(file: Path | None) -> Path | None:
    """As :func:`check_folder` for a file, whose folder may have to be made."""
    if file is not None and file.is_dir():
        raise UsageError(
            f"{file} is a folder, and --out names a file here", f"Name a file in it: {file / 'page.html'}"
        )
    if file is not None and not file.parent.is_dir():
        _try(file, file.parent)
    return file


def _try(path: Path, folder: Path) -> None:
    nearest = folder
    while not (nearest.exists() or nearest.is_symlink()):
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UsageError(f"--out {path} cannot be a folder: {nearest} is a file", _REMEDY)
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise StoreError(f"cannot write {path}: nothing may be written in {nearest}", _REMEDY)
    if os.statvfs(nearest).f_blocks:
        return
    import tempfile

    # In a file system of the kernel's (/proc) root may do what cannot be done.
    try:
        with tempfile.TemporaryDirectory(prefix=".kdkit-", dir=nearest):
            pass
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}", _REMEDY) from error
