"""Predicting a user's files on an accelerator, or in another precision, through Lightning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.accelerators import CPUAccelerator
from torch.utils.data import Dataset

from kdkit.contracts.domain import Domain
from kdkit.engine.file_prediction import (
    Batch,
    SampleOrReason,
    StudentAddress,
    load_from,
    open_sample,
    predict_sample,
    write_result,
)
from kdkit.engine.prediction_log import FileResult
from kdkit.engine.sample_prediction import SamplePredictor, predict_samples
from kdkit.engine.trainer import make_trainer
from kdkit.recipe.schema import Hardware
from kdkit.runs.student import TrainedStudent
from kdkit.scratch import scratch_folder
from kdkit.workers import worker_number


def predict_on_device(
    student: TrainedStudent,
    paths: Sequence[Path],
    stems: Mapping[Path, Path],
    hardware: Hardware,
    folder: Path,
    keep: Callable[[FileResult], None],
) -> None:
    """Predict each file in this process; ``keep`` takes each result as it comes. Lightning may write to ``folder``.

    Raises :class:`kdkit.errors.UsageError` when the machine does not have the hardware.
    """
    consumer = _ResultWriter(student.domain, stems, keep)
    predict_samples(_FilePredictor(student), _FileSamples(student.domain, paths), consumer, hardware, folder)


def predict_batch_on_device(
    address: StudentAddress, batch: Batch, hardware: Hardware, devices: Sequence[int]
) -> list[FileResult]:
    """In a worker: predict files on the device that is this process's own, with a student that it loads once."""
    number = devices[worker_number()]
    own = hardware.model_copy(update={"devices": 1 if hardware.accelerator == "cpu" else [number]})
    results: list[FileResult] = []
    with scratch_folder("predict") as scratch:
        predict_on_device(load_from(address), [path for path, _ in batch], dict(batch), own, scratch, results.append)
    return results


def list_devices(hardware: Hardware, folder: Path) -> tuple[Hardware, list[int]]:
    """The hardware by its accelerator's own name, and the numbers of its devices.

    Raises :class:`kdkit.errors.UsageError` when the machine does not have them.
    """
    trainer = make_trainer(hardware, folder, [], enable_checkpointing=False)
    name = "cpu" if isinstance(trainer.accelerator, CPUAccelerator) else hardware.accelerator
    return hardware.model_copy(update={"accelerator": name}), list(trainer.device_ids)


class _FileSamples(Dataset[tuple[Path, SampleOrReason]]):
    """Each file's sample, or the reason why it cannot be read."""

    def __init__(self, domain: Domain, paths: Sequence[Path]) -> None:
        self.domain = domain
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, item: int) -> tuple[Path, SampleOrReason]:
        with open_sample(self.domain, self.paths[item]) as sample:
            return self.paths[item], sample


class _FilePredictor(SamplePredictor):
    """A student: of each sample its prediction, or the reason why there is none."""

    def __init__(self, student: TrainedStudent) -> None:
        super().__init__()
        self.network = student.network
        self.student = student

    def predict_step(self, batch: tuple[Path, SampleOrReason], batch_idx: int) -> Any:
        return predict_sample(self.student, batch[1], self.device)


class _ResultWriter(Callback):
    """Writes the domain's files for each prediction, and hands on what came of each file."""

    def __init__(self, domain: Domain, stems: Mapping[Path, Path], keep: Callable[[FileResult], None]) -> None:
        self.domain = domain
        self.stems = stems
        self.keep = keep

    def on_predict_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        path, sample = batch
        self.keep(write_result(self.domain, path, sample, outputs, self.stems[path]))
