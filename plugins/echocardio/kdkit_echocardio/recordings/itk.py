"""Reading by SimpleITK what our own readers leave out; the extra ``itk`` installs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdkit import DataError

from .picture import Picture, claimed_shape, plausible_steps

_MOST_HEADER = 1 << 16


def read_nrrd(path: Path) -> Picture:
    """The picture in an NRRD file, as :func:`read_by_itk`; one that names another file for its pixels is refused."""
    try:
        with path.open("rb") as file:
            header, end, _ = file.read(_MOST_HEADER).replace(b"\r\n", b"\n").partition(b"\n\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not end:
        raise DataError(f"{path} is no NRRD file: its header has no end")
    if any(line.lower().replace(b" ", b"").startswith(b"datafile:") for line in header.splitlines()):
        raise DataError(f"{path} names another file for its pixels; they are read from the file itself only")
    return read_by_itk(path)


def read_by_itk(path: Path) -> Picture:
    """The grey picture in a file, 2D or 3D with frames last.

    Raises :class:`kdkit.DataError`, which names the file, when SimpleITK is not installed or cannot read it.
    """
    try:
        import SimpleITK
    except ImportError as error:
        remedy = "pip install 'kdkit-echocardio[itk]', or save it again as one binary file."
        raise DataError(
            f"{path} is stored in a way that only SimpleITK reads, which is not installed", remedy
        ) from error
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    # ITK prints its warnings; what is wrong is said by the error.
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        reader.ReadImageInformation()
        sizes = [int(size) for size in reader.GetSize()]
        width, height, count = claimed_shape(path, sizes, 8)
        if reader.GetNumberOfComponents() != 1:
            raise DataError(f"{path} has {reader.GetNumberOfComponents()} channels; grey pictures are read")
        image = reader.Execute()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise DataError(f"{path} is truncated, damaged or of no kind that ITK reads: {reason}"[:300]) from error
    frames = np.asarray(SimpleITK.GetArrayFromImage(image)).reshape(count, height, width)
    return Picture(frames, plausible_steps(*image.GetSpacing()[:2]))
