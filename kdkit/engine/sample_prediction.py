"""Running networks over samples one by one, through Lightning's predict loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule
from torch.utils.data import DataLoader, Dataset

from kdkit.engine.trainer import interruptible, make_trainer
from kdkit.recipe.schema import Hardware
from kdkit.sample import Sample

# A sample, or the reason why it could not be read.
SampleOrReason = Sample | str


class SamplePredictor(LightningModule):
    """A module whose ``predict_step`` receives one item of a dataset of samples, as the dataset gives it."""

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave samples as they are (Lightning would look for tensors in them); their arrays are moved later."""
        return batch


def predict_samples(
    predictor: SamplePredictor, samples: Dataset[Any], consumer: Callback, hardware: Hardware, folder: Path
) -> None:
    """Predict every sample in order; ``consumer`` takes each prediction as it is made, and none is kept."""
    trainer = make_trainer(hardware, folder, [consumer], enable_checkpointing=False)
    loader = DataLoader(samples, batch_size=1, collate_fn=lambda items: items[0])
    with interruptible(trainer):
        trainer.predict(predictor, loader, return_predictions=False)
