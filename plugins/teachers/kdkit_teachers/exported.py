"""Teachers from a file that holds network and weights together: torch.export programs and TorchScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kdkit import Field, InputFile
from kdkit_teachers.image_teacher import ImageTeacher
from kdkit_teachers.images import ImageOptions

if TYPE_CHECKING:
    import torch


class Exported(ImageTeacher):
    """A network and its weights from one local file: a torch.export program (.pt2) or TorchScript (.pt, .ts).

    Inputs and answers as the options say; by default RGB images (batch, height, width, 3), 0..255, scaled to 0..1,
    and logits (batch, classes) or (batch, height, width, classes). A plain pickle (``torch.save`` of a whole module)
    is refused: reading one executes whatever its author has written. TorchScript and .pt2 files hold programs, too,
    in languages of their own: each is examined before torch reads it, and refused when it uses an operator that is
    not on a list of those that only compute.
    """

    incidental = frozenset({"trust"})

    class Options(ImageOptions):
        file: InputFile = Field(description="The .pt2 or TorchScript file; which one is seen from its content.")
        trust: bool = Field(
            False,
            description="Load the program unexamined, as you would run a program of its author's. A run's manifest "
            "records it.",
        )

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """A convolution with weights drawn at random, exported for batches of any size."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = torch.nn.Conv2d(3, 2, 3, padding=1).eval()
        batch = torch.export.Dim("batch", min=1)
        program = torch.export.export(network, (torch.rand(2, 3, 16, 16),), dynamic_shapes=({0: batch},))
        torch.export.save(program, folder / "small.pt2")
        return {"file": folder / "small.pt2"}

    def example_inputs(self) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)

    def files(self) -> Sequence[Path]:
        return [self.options.file]

    def build(self) -> torch.nn.Module:
        from kdkit_teachers.networks import Adapted
        from kdkit_teachers.programs import load_program

        network, batch = load_program(self.options.file, self.options.trust)
        return Adapted(network, self.options, batch)
