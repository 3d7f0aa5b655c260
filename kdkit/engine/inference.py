"""Running a frozen network on many samples: labelling and predicting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

from kdkit.contracts.vocabulary import Activation
from kdkit.engine.guard import read_logits, run_network
from kdkit.engine.trainer import interruptible, make_trainer
from kdkit.errors import DataError, KdkitError
from kdkit.progress import Bar
from kdkit.recipe.schema import Hardware
from kdkit.store.samples import SampleSet
from kdkit.store.shards import Range, Record, ShardStore
from kdkit.store.targets import encode_logits, encode_weight, to_record

# Elements of raw input in one forward pass: bounds the memory whatever the size of a sample.
BATCH_ELEMENTS = 4_000_000


def freeze(network: torch.nn.Module) -> torch.nn.Module:
    """The network in evaluation mode, without gradients."""
    return network.eval().requires_grad_(False)


def infer_logits(network: torch.nn.Module, inputs: Sequence[np.ndarray], device: torch.device) -> list[torch.Tensor]:
    """The network's logits to each raw input, float, in order; equal shapes share a batch of bounded size."""
    return [logits for logits, _ in infer_weighted_logits(network, inputs, device)]


def infer_weighted_logits(
    network: torch.nn.Module, inputs: Sequence[np.ndarray], device: torch.device
) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """As :func:`infer_logits`, each with its weight, if the network gives one."""
    outputs: list[tuple[torch.Tensor, torch.Tensor | None]] = []
    for batch in _batches(inputs):
        raw = torch.from_numpy(np.stack(batch)).to(device)
        with torch.inference_mode():
            logits, weight = read_logits(run_network(network, raw), len(batch))
        outputs.extend(zip(logits.float(), weight if weight is not None else [None] * len(batch), strict=True))
    return outputs


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


def _batches(inputs: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    batch: list[np.ndarray] = []
    for array in inputs:
        same_shape = batch and array.shape == batch[0].shape
        if batch and not (same_shape and (len(batch) + 1) * array.size <= BATCH_ELEMENTS):
            yield batch
            batch = []
        batch.append(array)
    if batch:
        yield batch
