"""Opening a folder, whatever its layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

from kdkit import DataError

from . import camus, clips, dicom, echonet_dynamic, echonet_pediatric, echonet_synthetic, nnunet
from .cases import is_dataset_part
from .formats import ending_of, refuse_label_maps
from .recording import Study
from .table import read_table
from .views import refuse_parasternal, with_views
from .walk import unreadable_folders, walk

# Layouts are tried in this order: EchoNet-Dynamic's columns are also EchoNet-Synthetic's, and the last two
# take any folder with a file of theirs.
LAYOUTS: dict[str, ModuleType] = {
    module.NAME: module
    for module in (echonet_pediatric, echonet_synthetic, echonet_dynamic, camus, nnunet, dicom, clips)
}

_ANY_FOLDER = (dicom, clips)


def open_study(path: Path, layout: str = "auto") -> Study:
    """The recordings in a folder, from its index and the names in it; no picture is decoded.

    ``layout``: one of :data:`LAYOUTS`, or "auto" to choose by looking at the folder. Raises
    :class:`kdkit.DataError` when ``path`` is no folder, is of no known layout or not of the one named, or
    when its index cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        fault = "is not a folder" if path.exists() else "does not exist"
        raise DataError(f"{path} {fault}", "Name the folder that holds the recordings and their index.")
    if layout != "auto" and layout not in LAYOUTS:
        raise DataError(f"{layout} is no layout of data", f"Known are auto, {', '.join(LAYOUTS)}.")
    unreadable = list(unreadable_folders(path))
    module = _recognise_layout(path) if layout == "auto" else LAYOUTS[layout]
    if not module.recognises(path):
        raise DataError(f"{path} has not the layout {layout}", f"Looked for {module.LOOKS_FOR}.")
    if module in _ANY_FOLDER:
        refuse_parasternal(path)
    study: Study = module.read(path)
    if module in _ANY_FOLDER:
        study = replace(study, recordings=with_views(path, study.recordings))
    return replace(study, defects=[*study.defects, *unreadable])


def _recognise_layout(path: Path) -> ModuleType:
    for module in LAYOUTS.values():
        # Next to an index that is not understood, clips would be read without any of their labels, in silence.
        if module.recognises(path) and not (module in _ANY_FOLDER and (path / "FileList.csv").exists()):
            return module
    index = path / "FileList.csv"
    if index.exists():
        read_table(index, ("FileName",))  # raises where that is what keeps the folder from being recognised
    refuse_parasternal(path)
    refuse_label_maps(path, [file for file in walk(path) if ending_of(file)])
    if is_dataset_part(path.resolve()):
        remedy = f"Name the folder above it, {path.resolve().parent}, which holds the labels too."
        raise DataError(f"{path} is one folder of a data set of nnU-Net", remedy)
    layouts = "\n  ".join(f"{name}: {module.LOOKS_FOR}" for name, module in LAYOUTS.items())
    raise DataError(f"{path} has no layout that is known", f"Looked for\n  {layouts}")
