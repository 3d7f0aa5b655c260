"""What there is to choose about the training of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import model_validator

from kdkit import ComponentOptions, Field, InputFolder

if TYPE_CHECKING:
    from typing import Self


class SourceTraining(ComponentOptions):
    """How a source is trained; the defaults take hours of a GPU."""

    fps: float = Field(32.0, gt=0, description="Frame rate that the model learns, frames per second.")
    frames: int = Field(64, ge=4, le=256, description="Frames of the clips that it learns from.")
    parts: int = Field(4, ge=1, description="Clips that are cut out of one recording, at most.")
    start: InputFolder | None = Field(
        None,
        description="Folder of a source made by this training, whose networks are trained on. null: new networks.",
    )
    autoencoder_steps: int = Field(
        30_000, ge=0, description="Training steps of the autoencoder; 0 leaves that of start as it is."
    )
    sharpening_steps: int = Field(
        10_000, ge=0, description="Training steps of the autoencoder's decoder against a judge of speckle; 0: none."
    )
    image_steps: int = Field(
        50_000, ge=0, description="Training steps of the network of latent images; 0 leaves that of start as it is."
    )
    video_steps: int = Field(
        50_000, ge=0, description="Training steps of the network of latent clips; 0 leaves that of start as it is."
    )
    guidance_steps: int = Field(
        5000,
        ge=0,
        description="Training steps in which the network of latent clips learns to draw at once what guidance takes "
        "two passes for; 0: none, and clips are sampled with guidance.",
    )
    autoencoder_batch: int = Field(8, ge=1, description="Frames in a batch of the autoencoder, on each device.")
    image_batch: int = Field(64, ge=1, description="Images in a batch of latent images, on each device.")
    video_batch: int = Field(8, ge=1, description="Clips in a batch of latent clips, on each device.")
    learning_rate: float = Field(1e-3, gt=0, description="Highest learning rate of the denoisers (AdamW, one cycle).")
    sample_every: int = Field(1000, ge=1, description="Steps between two pictures of samples.")
    sampling_steps: int = Field(16, ge=1, description="Denoising steps that the trained model asks for.")
    image_sampling_steps: int = Field(32, ge=1, description="As many for its latent images, which take little time.")
    guidance: float = Field(2.0, ge=0, description="Guidance on the ejection fraction that its clips get; 1 is none.")

    @model_validator(mode="after")
    def _has_what_is_left_alone(self) -> Self:
        for name in ("autoencoder_steps", "image_steps", "video_steps"):
            if getattr(self, name) == 0 and self.start is None:
                raise ValueError(f"{name} of 0 leaves a network of start as it is, and start is not set")
        return self
