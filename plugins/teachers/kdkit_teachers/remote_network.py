"""A served teacher as a torch module; imported only when a teacher is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from kdkit import DataError
from kdkit_teachers.connection import Connection

# A request of moderate size: little is lost when it has to be repeated.
REQUEST_BYTES = 8_000_000
# What a request holds beside the samples.
HEADER_BYTES = 1_000


class RemoteNetwork(torch.nn.Module):
    """Sends raw samples to a server and gives back what it answers, on the device that the samples were on."""

    def __init__(self, connection: Connection, facts: Mapping[str, Any]) -> None:
        super().__init__()
        self.connection = connection
        self.facts = dict(facts)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        samples = inputs.detach().cpu().numpy()
        size = self._batch(samples)
        parts = [
            self.connection.answers(samples[at : at + size], self.facts["fingerprint"])
            for at in range(0, len(samples), size)
        ]
        answers = {name: _joined([part[name] for part in parts]).to(inputs.device) for name in parts[0]}
        return answers if "weight" in answers else answers["logits"]

    def _batch(self, samples: np.ndarray) -> int:
        """How many samples fit into a request."""
        largest = self.facts.get("largest_sample")
        if isinstance(largest, int) and samples[0].nbytes > largest:
            raise DataError(
                f"a sample of {samples[0].nbytes} bytes is larger than the {largest} that {self.connection.url} "
                "takes for one",
                "Ask its owner for a larger --largest-sample, or make smaller samples.",
            )
        room = min(REQUEST_BYTES, self.facts["largest_bytes"]) - HEADER_BYTES
        fitting = min(room // max(1, samples[0].nbytes), self.facts["largest_samples"])
        if fitting < 1 and samples[0].nbytes + HEADER_BYTES > self.facts["largest_bytes"]:
            raise DataError(
                f"a sample of {samples[0].nbytes} bytes is larger than the {self.facts['largest_bytes']} bytes that "
                f"{self.connection.url} takes",
                "Ask its owner for a larger --largest-request, or make smaller samples.",
            )
        return max(1, fitting)


def _joined(parts: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(parts))
