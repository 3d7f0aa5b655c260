"""Training one network to its last step, from wherever an earlier attempt came to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from kdkit import TrainingSession

from .batches import Batches, BatchOf

# Steps between two checkpoints.
CHECKPOINT = 200


def fit(
    module: LightningModule,
    batch_of: BatchOf,
    steps: int,
    name: str,
    folder: Path,
    session: TrainingSession,
    sample: tuple[int, Callable[[int], None]] | None = None,
) -> None:
    """Train ``module`` for ``steps`` steps in all; ``folder`` keeps the checkpoints.

    ``sample``: every so many steps call this with the number of steps, on the first process only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start, resume = _newest_checkpoint(folder)
    with session.progress.work("train", name, steps, "steps", start) as bar:
        keep = ModelCheckpoint(folder, filename="{step}", every_n_train_steps=CHECKPOINT, save_top_k=1, monitor=None)
        trainer = session.trainer([keep, _ProgressCallback(bar, sample)], max_steps=steps, gradient_clip_val=1.0)
        loader = DataLoader(Batches(batch_of, session.seed, start, lambda: trainer.global_rank), batch_size=None)
        if start < steps:
            session.run(trainer, module, loader, resume)
    if resume is not None and start >= steps:
        module.load_state_dict(torch.load(resume, map_location="cpu", weights_only=True)["state_dict"])
    elif start < steps:
        trainer.save_checkpoint(folder / f"step={steps}.ckpt")
    module.cpu()


def _newest_checkpoint(folder: Path) -> tuple[int, Path | None]:
    """The steps behind the newest checkpoint that can be read, and its path."""
    for path in sorted(folder.glob("step=*.ckpt"), key=lambda p: int(p.stem.removeprefix("step=")), reverse=True):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # cut off while it was written: torch raises many kinds of errors for that
            path.unlink()
            continue
        return int(state["global_step"]), path
    return 0, None


class _ProgressCallback(Callback):
    """Advances the progress bar and shows the running mean of the loss."""

    def __init__(self, bar: Any, sample: tuple[int, Callable[[int], None]] | None) -> None:
        self.bar, self.sample = bar, sample
        self.loss: float | None = None

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        loss = float(trainer.callback_metrics["loss"])
        self.loss = loss if self.loss is None else 0.98 * self.loss + 0.02 * loss
        self.bar.advance(note=f"loss {self.loss:.4f}")
        if self.sample and trainer.is_global_zero and trainer.global_step % self.sample[0] == 0:
            self.sample[1](trainer.global_step)
