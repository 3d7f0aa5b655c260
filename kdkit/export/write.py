"""Exporting a student: each form writes its files into a new folder, which appears only when all agree."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kdkit.errors import StoreError, UsageError, did_you_mean
from kdkit.export.check import Agreement
from kdkit.export.job import Job
from kdkit.export.metadata import describe_export
from kdkit.export.onnx import write_onnx
from kdkit.export.torch_export import write_torch_export
from kdkit.export.weights import write_weights
from kdkit.export.windows import read_windows
from kdkit.plugins.registry import Registry
from kdkit.runs.student import TrainedStudent

FORMS: dict[str, Callable[[Job, Path], dict[str, Agreement]]] = {
    "onnx": write_onnx,
    "torch-export": write_torch_export,
    "safetensors": write_weights,
}


@dataclass(frozen=True)
class ExportResult:
    """The folder, its files, and how each compared one agrees with the student."""

    folder: Path
    files: Sequence[Path]
    agreement: dict[str, Agreement]

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        agreement = {name: asdict(value) for name, value in self.agreement.items()}
        return {"folder": str(self.folder), "files": [path.name for path in self.files], "agreement": agreement}


def export(registry: Registry, student: TrainedStudent, form: str, out: Path) -> ExportResult:
    """Write the student in a form of :data:`FORMS` into the folder ``out``, new or empty.

    Raises :class:`UsageError` for a form that does not exist or that the student cannot have, for a folder that is
    not empty, and for a student of another version; :class:`kdkit.KdkitError` where a file differs from the student.
    Nothing is left behind then.
    """
    _check_request(student, form, out)
    windows = read_windows(registry, student)
    job = Job(student, windows, describe_export(student, str(windows.dtype)))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
            folder = Path(scratch) / "export"
            folder.mkdir()
            agreement = FORMS[form](job, folder)
            if out.is_dir():
                out.rmdir()
            shutil.move(folder, out)
    except OSError as error:
        raise StoreError(
            f"cannot write {out}: {error.strerror or error}", "Choose another folder with --out."
        ) from error
    return ExportResult(out, sorted(path for path in out.rglob("*") if path.is_file()), agreement)


def _check_request(student: TrainedStudent, form: str, out: Path) -> None:
    if form not in FORMS:
        raise UsageError(f"there is no form {form}", did_you_mean(form, list(FORMS)))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an empty folder", "Choose another one with --out.")
    trained, now = student.card["components"]["student"]["version"], student.component.version
    if trained != now:
        raise UsageError(
            f"the student was trained with version {trained} of {student.card['component']}, and version {now} is "
            "installed, which gives other results",
            "Train it again with kdkit run, or export it where the older version is installed.",
        )
    obstacle = student.component.export_obstacle(form)
    if obstacle:
        raise UsageError(f"the student {student.card['component']} cannot be exported as {form}: {obstacle}")
