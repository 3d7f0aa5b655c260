"""The unit of data: one sample, as it is stored and handed around."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One raw sample.

    ``inputs``: the raw array that teachers and students receive (a clip ``uint8 (T, H, W)``, an image
    ``uint8 (H, W, 3)``, ...); nothing is normalised before it reaches a component.
    ``truth``: named arrays that are known of the sample (a phantom's mask, a human label). It serves evaluation only
    and never reaches training.
    ``info``: JSON-able facts (``name``, ``fps``, ``spacing_mm``, ...). kdkit itself reads four: ``name``; ``unit``,
    whose or what the sample is of (a patient, a speaker), where several samples share one: intervals and verdicts
    count units; ``rejected``, where a generator throws draws away, how many it did before this one; and ``content``,
    where the inputs are a part of a recording: the :func:`array_digest` of all of it, by which it is known again.
    """

    inputs: np.ndarray
    truth: Mapping[str, np.ndarray] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unit(self) -> str | None:
        """``info["unit"]`` as text; None where the sample is a unit of its own."""
        unit = self.info.get("unit")
        return None if unit is None else str(unit)

    @property
    def content(self) -> str:
        """What the recording is known by that the inputs are, or are a part of: 64 hexadecimal digits."""
        content = self.info.get("content")
        return array_digest(self.inputs) if content is None else str(content)


def array_digest(array: np.ndarray) -> str:
    """The SHA-256 of an array with its type and shape, 64 hexadecimal digits."""
    head = f"{array.dtype} {array.shape} ".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()
