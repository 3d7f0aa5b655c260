"""Exporting a student: each form writes its files into a new folder, which appears only when all agree."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kdkit.atomic import write_json
from kdkit.errors import KdkitError, StoreError, UsageError, did_you_mean
from kdkit.export.check import Agreement
from kdkit.export.job import Job
from kdkit.export.metadata import describe_export
from kdkit.export.monai_bundle import write_monai_bundle
from kdkit.export.onnx import WHOLE, infer_whole, write_onnx
from kdkit.export.quantization import Loss, measure_loss, read_calibration
from kdkit.export.torch_export import write_torch_export
from kdkit.export.weights import write_weights
from kdkit.export.windows import read_windows
from kdkit.plugins.calls import call
from kdkit.plugins.registry import Registry
from kdkit.progress import Silence
from kdkit.runs.open_run import open_run
from kdkit.runs.run import Run
from kdkit.runs.student import TrainedStudent
from kdkit.scratch import scratch_folder

FORMS: dict[str, Callable[[Job, Path], dict[str, Agreement]]] = {
    "onnx": write_onnx,
    "torch-export": write_torch_export,
    "safetensors": write_weights,
    "monai-bundle": write_monai_bundle,
}


@dataclass(frozen=True)
class ExportResult:
    """The folder, its files, and how each compared one agrees with the student.

    ``loss``: of a student in 8 bits, what that costs by each metric of its run; else empty.
    """

    folder: Path
    files: Sequence[Path]
    agreement: dict[str, Agreement]
    loss: dict[str, Loss] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        agreement = {name: asdict(value) for name, value in self.agreement.items()}
        loss = {name: value.as_json() for name, value in self.loss.items()}
        files = [path.relative_to(self.folder).as_posix() for path in self.files]
        return {"folder": str(self.folder), "files": files, "agreement": agreement, "loss": loss}


def export(registry: Registry, student: TrainedStudent, form: str, out: Path, int8: bool = False) -> ExportResult:
    """Write the student in a form of :data:`FORMS` into the folder ``out``, new or empty.

    ``int8``: with convolutions in 8 bits, which only "onnx" can express; ``int8.json`` then says what they cost.
    Raises :class:`UsageError` for a form that does not exist or that the student cannot have, for a folder that is
    not empty, and for a student of another version; :class:`kdkit.KdkitError` where a file differs from the student.
    Nothing is left behind then.
    """
    _check_request(student, form, out)
    run = _calibration_run(registry, student, form) if int8 else None
    windows = read_windows(registry, student)
    calibration = read_calibration(run) if run else None
    job = Job(student, windows, describe_export(student, str(windows.dtype)), calibration)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder("export", out.parent) as scratch:
            folder = scratch / "export"
            folder.mkdir()
            agreement = FORMS[form](job, folder)
            loss = measure_loss(run, student.network, infer_whole(folder / WHOLE)) if run else {}
            if run:
                write_json(folder / "int8.json", {name: value.as_json() for name, value in loss.items()})
            if out.is_dir():
                out.rmdir()
            shutil.move(folder, out)
    except OSError as error:
        raise StoreError(
            f"cannot write {out}: {error.strerror or error}", "Choose another folder with --out."
        ) from error
    return ExportResult(out, sorted(path for path in out.rglob("*") if path.is_file()), agreement, loss)


def _calibration_run(registry: Registry, student: TrainedStudent, form: str) -> Run:
    """The run that a student lies in, with its samples and targets."""
    if form != "onnx":
        raise UsageError(f"{form} cannot express a student in 8 bits", "Use --format onnx, or leave --int8 out.")
    try:
        run = open_run(registry, student.folder.parent, Silence())
        is_whole = run.evaluation.is_whole()
    except KdkitError as error:
        reason = error.message
    else:
        if is_whole:
            return run
        reason = "its samples or targets are gone"
    raise UsageError(
        f"8 bits are calibrated and measured on the samples of the student's run: {reason}",
        "Name the folder of a finished run, or leave --int8 out.",
    )


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
    obstacle = call(student.component.export_obstacle, form)
    if obstacle:
        raise UsageError(f"the student {student.card['component']} cannot be exported as {form}: {obstacle}")
