"""Lightning's Trainer, set up as the recipe's hardware section says."""

from __future__ import annotations

import io
import logging
import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher, _SubprocessScriptLauncher

from kdkit.allocation import keep_freed_memory
from kdkit.atomic import write_bytes
from kdkit.errors import HardwareError, UsageError
from kdkit.launch import is_slurm_step
from kdkit.recipe.schema import FULL_PRECISION, Hardware


def make_trainer(hardware: Hardware, folder: Path, callbacks: Sequence[Callback], **arguments: Any) -> Trainer:
    """A Trainer without a logger, bar or summary of its own: the stages report.

    A precision of auto is full here. Raises :class:`UsageError` when the machine does not have what the recipe asks
    for.
    """
    _silence_advice()
    keep_freed_memory()
    options = hardware.settle().model_dump(exclude={"workers", "readers"})
    try:
        trainer = Trainer(
            **options,
            default_root_dir=folder,
            callbacks=list(callbacks),
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            plugins=[*_environments(), *_checkpoint_io(hardware.strategy)],
            **arguments,
        )
    except (
        ImportError,  # what a strategy or an accelerator needs is not installed
        RuntimeError,
        TypeError,
        ValueError,
        lightning.fabric.utilities.exceptions.MisconfigurationException,
    ) as error:
        chosen = {name: value for name, value in options.items() if value not in ("auto", 1, FULL_PRECISION)}
        described = ", ".join(f"{name}={value}" for name, value in chosen.items()) or "what was found for auto"
        reason = str(error).splitlines()[0]
        raise HardwareError(
            f"this machine cannot run with {described}: {reason}", list(chosen) or ["accelerator"]
        ) from error
    # Lightning's handler of SIGTERM waits for the other processes, which wait for this one.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


def count_processes(hardware: Hardware, folder: Path) -> tuple[int, int]:
    """How many processes Lightning would start on each machine for this, 1 where it starts none; and the machines."""
    trainer = make_trainer(hardware, folder, [], enable_checkpointing=False)
    launcher, environment = trainer.strategy.launcher, trainer._accelerator_connector.cluster_environment
    if isinstance(launcher, _MultiProcessingLauncher):
        raise UsageError(
            f"the strategy {hardware.strategy} starts processes that cannot take part in a run",
            "Set trainer.strategy=ddp, or leave it at auto.",
        )
    if not isinstance(launcher, _SubprocessScriptLauncher) or environment.creates_processes_externally:
        return 1, 1
    return trainer.num_devices, trainer.num_nodes


def check_hardware(hardware: Hardware, folder: Path) -> None:
    """Raises :class:`UsageError` when the machine does not have what the recipe asks for."""
    make_trainer(hardware, folder, [], enable_checkpointing=False)


@contextmanager
def interruptible(trainer: Trainer) -> Iterator[None]:
    """Lightning ends the process when it is interrupted; here that is for the caller to do, and to report."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, handler)  # Lightning left it ignored
        raise KeyboardInterrupt from end


def _environments() -> list[Any]:
    """Lightning's own environment inside a SLURM allocation whose tasks ``srun`` did not start.

    It would take the allocation's variables for those of a step, and wait for tasks that nobody starts.
    """
    if any(name.startswith("SLURM_") for name in os.environ) and not is_slurm_step():
        return [LightningEnvironment()]
    return []


class _AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints as everything else is written: at once or not at all, and synced to the disk.

    Lightning's own way leads over a temporary file, which a full disk is then blamed on.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_bytes(Path(path), content.getvalue())


def _checkpoint_io(strategy: str) -> list[Any]:
    """Strategies that shard a network write its checkpoints themselves."""
    return [_AtomicCheckpointIO()] if strategy == "auto" or strategy.startswith("ddp") else []


def _silence_advice() -> None:
    """Lightning's advice is written for authors of training scripts; users of a command cannot act on it."""
    if os.environ.get("KDKIT_VERBOSE") == "1":
        return
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",
        ".*smaller than the logging interval.*",
        ".*treespec.*",
        ".*The `srun` command is available.*",
        ".*GPU available but not used.*",
        ".*exists and is not empty.*",
        ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
        ".*lr_scheduler.step.*",
        ".*no `val_dataloader`.*",
        ".*across ranks is zero.*",
    ):
        warnings.filterwarnings("ignore", message=message)
