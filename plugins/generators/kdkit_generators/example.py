"""A teacher to try generators out with that need one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdkit import Teacher

if TYPE_CHECKING:
    import torch


class Example(Teacher):
    """A small random network, with batch normalisation, from arrays of any shape to three classes."""

    def build(self) -> torch.nn.Module:
        from kdkit_generators.example_network import example_network

        return example_network()
