"""Reading by SimpleITK what our own readers leave out; the extra ``itk`` installs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdkit import DataError

from .picture import Picture, claimed_shape, plausible_steps


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
