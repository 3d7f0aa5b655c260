"""Files that are either complete or absent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kdkit import KdkitError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, renamed to ``path`` when the block ends well and removed when it does not.

    Raises :class:`kdkit.KdkitError` when the disk is full or the folder cannot be written.
    """
    # The suffix stays, since writers choose the format by it.
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise KdkitError(
            f"cannot write {path}: {error.strerror or error}", "Choose another folder, or have room and rights there."
        ) from error
    finally:
        # Where nothing can be written there is nothing to remove, and saying so would hide the error above.
        with suppress(OSError):
            partial.unlink(missing_ok=True)
