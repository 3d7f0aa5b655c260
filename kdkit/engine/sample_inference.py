"""Running a frozen network on the samples of a store through Lightning: labelling and predicting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

from kdkit.contracts.vocabulary import Activation
from kdkit.engine.inference import freeze, infer_weighted_logits
from kdkit.engine.trainer import interruptible, make_trainer
from kdkit.errors import DataError, KdkitError
from kdkit.progress import Bar
from kdkit.recipe.schema import Hardware
from kdkit.store.samples import SampleSet
from kdkit.store.shards import Range, Record, ShardStore
from kdkit.store.targets import encode_logits, encode_weight, to_record


def infer_samples(
    network: torch.nn.Module,
    samples: SampleSet,
    ranges: Sequence[Range],
    target_store: ShardStore,
    activation: Activation,
    hardware: Hardware,
    bar: Bar,
) -> None:
    """Write the network's encoded outputs for these ranges of samples, a shard for each range."""
    predictor = _RangePredictor(freeze(network), activation, samples.store, ranges)
    trainer = make_trainer(
        hardware,
        Path(target_store.folder),
        [_ShardWriter(target_store, bar)],
        enable_checkpointing=False,
        use_distributed_sampler=False,
    )
    with interruptible(trainer):
        trainer.predict(predictor, return_predictions=False)
    trainer.strategy.barrier("predicted")  # what the other processes write is part of the artifact
    target_store.refresh()


class _RangeInputs(Dataset[tuple[Range, list[np.ndarray]]]):
    """One item for each range: the range and its raw inputs."""

    def __init__(self, store: ShardStore, ranges: Sequence[Range]) -> None:
        self.store = store
        self.ranges = list(ranges)

    def __len__(self) -> int:
        return len(self.ranges)

    def __getitem__(self, item: int) -> tuple[Range, list[np.ndarray]]:
        indices = self.ranges[item]
        return indices, [self.store.read(index, "inputs") for index in range(*indices)]


class _RangePredictor(LightningModule):
    """Runs a frozen network over ranges of raw inputs; each process takes its share of the ranges."""

    def __init__(
        self, network: torch.nn.Module, activation: Activation, store: ShardStore, ranges: Sequence[Range]
    ) -> None:
        super().__init__()
        self.network = network
        self.activation = activation
        self.store = store
        self.ranges = ranges
        self.first = ranges[0][0] if ranges else 0
        self.keeps_length: bool | None = None
        # With fewer ranges than processes some have nothing to do, which Lightning otherwise takes for a mistake.
        self.allow_zero_length_dataloader_with_multiple_devices = True

    def predict_dataloader(self) -> DataLoader[Any]:
        own = self.ranges[self.trainer.global_rank :: self.trainer.world_size]
        return DataLoader(_RangeInputs(self.store, own), batch_size=1, collate_fn=lambda items: items[0])

    def predict_step(self, batch: tuple[Range, list[np.ndarray]], batch_idx: int) -> list[Record]:
        (start, _), inputs = batch
        records = []
        for index, (logits, weight) in enumerate(infer_weighted_logits(self.network, inputs, self.device), start):
            if not bool(logits.isfinite().all()):
                raise KdkitError(
                    f"the logits for sample {index} are not finite", "What was predicted so far is kept."
                )
            self._check_length(index, inputs[index - start], logits)
            target = encode_logits(logits, self.activation)
            encoded_weight = None if weight is None else encode_weight(weight, target, self.activation)
            records.append(to_record(target, encoded_weight))
        return records

    def _check_length(self, index: int, inputs: np.ndarray, logits: torch.Tensor) -> None:
        """A network that gave one frame for each frame must not stop doing so with clips of another length."""
        if inputs.ndim < 2 or logits.ndim < 2:
            return
        has_same_length = len(inputs) == len(logits)
        if self.keeps_length is None:
            self.keeps_length = has_same_length
        if self.keeps_length != has_same_length:
            raise DataError(
                f"sample {index} has {len(inputs)} frames, and its logits {len(logits)}; of sample {self.first} both "
                f"have {'the same' if self.keeps_length else 'another'} number",
                "Have the model give as many frames as it is given, whatever the length of a clip.",
            )


class _ShardWriter(Callback):
    """Writes each range's outputs as soon as they are there, so that nothing is lost when the work is cut off."""

    def __init__(self, target_store: ShardStore, bar: Bar) -> None:
        self.target_store = target_store
        self.bar = bar

    def on_predict_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        (start, stop), _inputs = batch
        self.target_store.write(start, outputs)
        self.bar.advance((stop - start) * trainer.world_size)
