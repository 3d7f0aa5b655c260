"""The models that are measured, applied to one sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from kdkit.contracts.domain import Domain
from kdkit.engine.inference import freeze, infer_logits
from kdkit.errors import KdkitError
from kdkit.plugins.calls import call
from kdkit.sample import Sample
from kdkit.store.targets import activate


class SampleModels:
    """Each network's activated prediction for a sample, made as the domain makes it."""

    def __init__(self, networks: Mapping[str, torch.nn.Module], domain: Domain) -> None:
        self.networks = {model: freeze(network) for model, network in networks.items()}
        self.domain = domain

    def __call__(self, sample: Sample, device: torch.device | None = None) -> dict[str, np.ndarray]:
        """The predictions by model, float32. Raises :class:`KdkitError` when one is not finite."""
        predictions = {}
        for model, network in self.networks.items():

            def infer(
                inputs: Sequence[np.ndarray], model: str = model, network: torch.nn.Module = network
            ) -> list[Any]:
                batch = infer_logits(network, inputs, device or torch.device("cpu"))
                if not all(bool(logits.isfinite().all()) for logits in batch):
                    name = sample.info.get("name", "a sample")
                    raise KdkitError(f"the {model}'s prediction for {name} is not finite")
                return [activate(logits, self.domain.activation) for logits in batch]

            predictions[model] = call(self.domain.predict, sample, infer)
        return predictions
