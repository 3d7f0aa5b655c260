"""Images from a diffusion model in a local folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kdkit import ComponentOptions, DataError, Field, Generator, InputFolder, Sample, visible_files


class Diffusers(Generator):
    """Images from an unconditional or class-conditional pipeline of the diffusers library, saved in a local folder.

    Denoising diffusion (Ho, Jain & Abbeel 2020, arXiv:2006.11239), or whatever else the pipeline's scheduler does;
    uint8 (H, W, 3) in RGB, or (H, W) where the model makes one channel. Nothing is downloaded, weights are read from
    safetensors only, and a folder whose pipeline would need code of its own is refused. Needs
    ``kdkit-generators[diffusers]``.
    """

    class Options(ComponentOptions):
        path: InputFolder = Field(description="Folder of the pipeline, as save_pretrained writes it.")
        steps: int = Field(50, ge=1, description="Denoising steps.")
        classes: tuple[int, ...] | None = Field(
            None,
            min_length=1,
            description="Class labels of a class-conditional pipeline; each sample draws one. null gives none.",
        )
        device: str = Field("cpu", description="Where the model runs: cpu, cuda, ...")

    def __init__(self, options: ComponentOptions | None = None, seed: int = 0) -> None:
        super().__init__(options, seed)
        self._pipeline: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pipeline": None}

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """A tiny random pipeline."""
        from kdkit_generators.pipelines import save_example

        return {"path": save_example(folder / "pipeline"), "steps": 2}

    def files(self) -> Sequence[Path]:
        return list(visible_files(self.options.path))

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        from kdkit_generators.pipelines import image_of, load

        options = self.options
        for index in indices:
            if self._pipeline is None:
                self._pipeline = load(options.path, options.device)
            rng = self.rng(index)
            seed = int(rng.integers(2**63))
            label = None if options.classes is None else int(rng.choice(options.classes))
            # One by one: in a batch of another size, numbers round differently.
            image = image_of(self._pipeline, seed, label, options.steps)
            if not isinstance(image, np.ndarray) or image.ndim not in (2, 3):
                raise DataError(f"the pipeline in {options.path} does not make images")
            info = {"name": f"diffusers-{index:05d}"} | ({} if label is None else {"class": label})
            yield Sample(image, info=info)
