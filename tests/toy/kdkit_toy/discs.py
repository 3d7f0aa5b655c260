import numpy as np

from kdkit import ComponentOptions, DataError, Field, Generator, Sample


class Discs(Generator):
    """Clips uint8 (T, H, W) of a bright disc; truth: its mask."""

    class Options(ComponentOptions):
        frames: int = Field(4, ge=1, description="Frames of a clip.")
        size: int = Field(16, ge=8, description="Height and width in pixels.")
        limit: int | None = Field(None, description="How many samples there are; null has no end.")
        fail_at: int | None = Field(None, description="Index at which the source breaks.")

    def count(self):
        return self.options.limit

    def generate(self, indices):
        size = self.options.size
        y, x = np.mgrid[:size, :size]
        for index in indices:
            if index == self.options.fail_at:
                raise DataError(f"disc {index} is broken")
            rng = self.rng(index)
            cy, cx = rng.uniform(size * 0.3, size * 0.7, 2)
            radius = size * 0.25 * (1 + 0.3 * np.sin(np.arange(self.options.frames)))
            mask = (y - cy) ** 2 + (x - cx) ** 2 <= radius[:, None, None] ** 2
            noise = rng.normal(0, 12, mask.shape)
            frames = np.clip(np.where(mask, 190, 60) + noise, 0, 255).astype(np.uint8)
            yield Sample(frames, {"mask": mask.astype(np.uint8)}, {"name": f"disc-{index:03d}"})
