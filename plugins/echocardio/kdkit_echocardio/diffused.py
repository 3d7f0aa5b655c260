"""The generator of clips that a diffusion model makes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kdkit import (
    ComponentOptions,
    DataError,
    Field,
    InputFolder,
    Progress,
    Sample,
    Silence,
    TrainableGenerator,
    TrainingSession,
    file_digest,
    fingerprint_of,
    folder_digest,
)

from .diffusion.conditions import EjectionFractions
from .diffusion.layout import Sampler
from .diffusion.privacy import Privacy
from .diffusion.training.options import SourceTraining

if TYPE_CHECKING:
    import torch

    from .diffusion.embedding import Embedding
    from .diffusion.layout import Model, Parts, Sampling
    from .diffusion.privacy import References

EMBEDDED = Path(__file__).parent / "weights" / "echo_diffusion"
MOST_FRAMES = 1000
# Seconds of a clip that can show an ejection; shorter ones take fewer steps, where the model sets them.
A_BEAT = 0.3


class EchoDiffusion(TrainableGenerator):
    """Clips of a diffusion model in EchoNet-Synthetic's layout (Reynaud et al., MICCAI 2024): uint8 (T, H, W), grey.

    A latent image is sampled, and then a latent clip that moves it with an ejection fraction; without ``path`` by the
    embedded model, which was trained on simulated clips alone. Needs ``kdkit-echocardio[diffusion]``.

    ``truth``: ``ejection_fraction`` float64 (), percent, the condition given to the model. ``info``: ``name``;
    ``fps`` (frames per second); with ``privacy`` also ``rejected``, how many draws were rejected before this one.

    Numbers are rounded in another order in batches of another size, so with ``batch_size`` above 1 a grey level may
    differ by one where samples were split over processes in another way.
    """

    incidental = frozenset({"path", "device", "batch_size"})

    class Options(ComponentOptions):
        """Which model, and how it is sampled."""

        path: InputFolder | None = Field(
            None, description="Folder with vae, lidm_* and lvdm, as published or trained. null: the embedded model."
        )
        image_model: str | None = Field(
            None,
            pattern=r"^lidm_\w+$",
            description="Which lidm_* folder makes the anatomies. null: the only one, or lidm_dynamic.",
        )
        frames: int = Field(
            2,
            ge=1,
            le=MOST_FRAMES,
            description="Frames of each clip. Many hearts in few frames teach a student most; a beat takes 32.",
        )
        fps: float | None = Field(
            None,
            gt=0,
            description="Frames per second. null: the model's own (32 published). For another rate the clip is made "
            "at the model's own, and each frame is the nearest in time: above that rate, frames are repeated.",
        )
        ejection_fraction: EjectionFractions = Field(
            EjectionFractions(),
            description="What is drawn for each clip, percent: {low, high} evenly between them, {values: [...]} one "
            "of these, or {mean, deviation} normally, cut at low and high. null: the model's own range.",
        )
        sampler: Sampler | None = Field(
            None,
            description="How the noise is removed; dpm-solver++ needs the fewest steps, ddpm forgives a small "
            "network. null: what the model's config.yaml says, or dpm-solver++.",
        )
        steps: int | None = Field(
            None, ge=1, description="Denoising steps. null: what the model's config.yaml says, or 64 as published."
        )
        image_steps: int | None = Field(
            None,
            ge=1,
            description="Denoising steps of the latent image. null: what the model's config.yaml says, or as steps.",
        )
        guidance: float | None = Field(
            None,
            ge=0,
            description="Classifier-free guidance on the ejection fraction: 1 is none; more follows it more strictly "
            "and takes twice the time. null: 1 for clips of less than 0.3 s, which show no beat, else what the "
            "model's config.yaml says, or 1.",
        )
        precision: Literal["float32", "float16", "bfloat16"] = Field(
            "float32", description="Of the two denoising networks; the autoencoder stays in float32."
        )
        batch_size: int | None = Field(
            None, ge=1, description="Clips made at once. null: by the free memory of a GPU; few on the processor."
        )
        device: str = Field("auto", description="Where the model runs: cpu, cuda, cuda:1, ...; auto: a GPU if any.")
        privacy: Privacy | None = Field(
            None,
            description="Draw samples again that are too similar to a training recording: {reference: recordings or "
            "vectors, embedding: what makes vectors, percentile: 95, attempts: 10}. null: no filter.",
        )

    class TrainingOptions(SourceTraining):
        """How a model is trained on a user's recordings."""

    def __init__(self, options: ComponentOptions | None = None, seed: int = 0) -> None:
        super().__init__(options, seed)
        self._model: Model | None = None
        self._embedding: Embedding | None = None
        # Kept so that worker processes, which receive it with the generator, need not read all references again.
        self._references: References | None = None
        # A run asks for the fingerprint many times, and published models hold a gigabyte.
        self._cached_fingerprint: tuple[Any, str] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_model": None, "_embedding": None}

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        """A tiny random model."""
        from .diffusion.example import write_example

        return {"path": write_example(folder / "model"), "frames": 5, "steps": 2, "batch_size": 1, "device": "cpu"}

    @classmethod
    def train(cls, data: Path, folder: Path, options: Any, session: TrainingSession) -> Mapping[str, Any]:
        """Train autoencoder and denoisers on the recordings in ``data``, of any layout that kdkit reads.

        ``folder`` is then a model in the published layout. ``folder/training`` holds the checkpoints, and pictures of
        samples during the training.
        """
        from .diffusion.training.clips import read_clips
        from .diffusion.training.source import WORK, train_networks

        clips = read_clips(data, folder / WORK, options.frames, options.fps, options.parts, session.progress)
        train_networks(clips, folder, options, session)
        return {"path": folder}

    def files(self) -> Sequence[Path]:
        """The model's files, and those of the privacy filter."""
        privacy = self.options.privacy
        filter_files = [path for path in (privacy.reference, privacy.embedding) if _is_file(path)] if privacy else []
        return [*self._parts().files(), *filter_files]

    def read_files(self, progress: Progress) -> None:
        """Read every file of the folder of references that was not read before."""
        self._references_digest(progress)

    def fingerprint(self) -> str:
        """As inherited, and the contents of the folder of references."""
        references = self._references_digest(Silence())
        files = [(path, path.stat().st_size, path.stat().st_mtime_ns) for path in self.files()]
        state = (self.options, self.version, references, files)
        if self._cached_fingerprint is None or self._cached_fingerprint[0] != state:
            privacy = self.options.privacy
            fingerprint = fingerprint_of(
                **self.identity(),
                seed=self.seed,
                options=self.options_without([*self.files(), *([privacy.reference] if privacy else [])]),
                files=[file_digest(path) for path in self.files()],
                references=references,
            )
            self._cached_fingerprint = state, fingerprint
        return self._cached_fingerprint[1]

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        """Yield the clips with these indices, each from its own random stream.

        Raises :class:`kdkit.WeightsError` when the model cannot be used, and :class:`kdkit.DataError` when its
        latents are not finite, or a sample stays too near to a reference in every attempt.
        """
        from .diffusion.sampling import batch_size

        remaining = iter(indices)
        batch_start = list(islice(remaining, 1))
        if not batch_start:
            return
        batch_length = self.options.batch_size or batch_size(self._load_model(), self._sampled_frame_count())
        while batch := [*batch_start, *islice(remaining, batch_length - len(batch_start))]:
            batch_start = []
            yield from self._generate_batch(batch)

    def _generate_batch(self, indices: Sequence[int]) -> Iterator[Sample]:
        """One batch."""
        import torch

        from kdkit import one_thread

        from .diffusion.sampling import decode_latents, sample_clips

        options, model = self.options, self._load_model()
        draws = [self._draw(index) for index in indices]
        with torch.inference_mode(), one_thread():
            try:
                images = self._images(model, draws)
                latents = sample_clips(
                    model,
                    images,
                    [draw.ejection_fraction / 100 for draw in draws],
                    self._sampled_frame_count(),
                    options.sampler or self._sampling_defaults(model).sampler,
                    self._steps(model),
                    self._guidance(model),
                    [draw.chance for draw in draws],
                )
                clip_latents = latents[:, self._moments(model)]
                clips = decode_latents(model, clip_latents.flatten(0, 1)).unflatten(0, clip_latents.shape[:2]).numpy()
            except torch.OutOfMemoryError as error:
                raise DataError(
                    f"{len(indices)} clips of {options.frames} frames do not fit into the memory of {options.device}",
                    "Lower batch_size or frames, or set precision to bfloat16.",
                ) from error
        for draw, clip in zip(draws, clips, strict=True):
            privacy_info = {"rejected": draw.rejected} if options.privacy else {}
            yield Sample(
                np.ascontiguousarray(clip),
                truth={"ejection_fraction": np.array(draw.ejection_fraction, np.float64)},
                info={
                    "name": f"echo-diffusion-{draw.index:05d}",
                    "fps": float(options.fps or model.settings.fps),
                    **privacy_info,
                },
            )

    def _images(self, model: Model, draws: Sequence[_Draw]) -> torch.Tensor:
        """The latent images of a batch, (B, C, h, w); what the privacy filter rejects is drawn again."""
        import torch

        from .diffusion.sampling import sample_images

        options = self.options
        sampler = options.sampler or self._sampling_defaults(model).sampler
        default_image_steps = self._sampling_defaults(model).image_steps if options.steps is None else None
        steps = options.image_steps or default_image_steps or self._steps(model)
        images = sample_images(model, sampler, steps, [draw.chance for draw in draws])
        if options.privacy is None:
            return images
        embedding, references = self._privacy_filter(model)
        pending = list(range(len(draws)))
        while pending := [pending[n] for n in np.flatnonzero(references.too_near(embedding(images[pending])))]:
            for number in pending:
                draws[number].redraw(options.privacy.attempts)
            generators = [draws[number].chance for number in pending]
            images[torch.tensor(pending)] = sample_images(model, sampler, steps, generators)
        return images

    def _steps(self, model: Model) -> int:
        return self.options.steps or self._sampling_defaults(model).steps

    def _guidance(self, model: Model) -> float:
        if self.options.guidance is not None:
            return self.options.guidance
        return 1.0 if self._is_short(model) else model.settings.guidance

    def _sampling_defaults(self, model: Model) -> Sampling:
        """The model's own sampling settings for clips of this length."""
        return (model.settings.short_clips if self._is_short(model) else None) or model.settings

    def _is_short(self, model: Model) -> bool:
        return self._sampled_frame_count() < A_BEAT * model.settings.fps

    def _draw(self, index: int) -> _Draw:
        # Clips of another length show other hearts: a recipe may train on short clips and measure on long ones.
        rng = self.rng(index * (MOST_FRAMES + 1) + self.options.frames)
        ejection_fraction = self.options.ejection_fraction.draw(rng, self._load_model().settings.ejection_fraction)
        return _Draw(index, ejection_fraction, rng)

    def _privacy_filter(self, model: Model) -> tuple[Embedding, References]:
        from .diffusion.embedding import embedding_of, references_of

        if self._embedding is None:
            self._embedding = embedding_of(self.options.privacy, model)
        if self._references is None:
            self._references = references_of(self.options.privacy, model, self._embedding)
        return self._embedding, self._references

    def _load_model(self) -> Model:
        if self._model is None:
            import torch

            from .diffusion.layout import load
            from .diffusion.sampling import placed

            options = self.options
            name = options.device
            if name == "auto":
                name = "cuda" if torch.cuda.is_available() else "cpu"
            model = load(self._parts().root, options.image_model)
            try:
                self._model = placed(model, torch.device(name), getattr(torch, options.precision))
            except (RuntimeError, AssertionError) as error:
                raise DataError(f"the model cannot run on {name}: {str(error).splitlines()[0]}") from error
        return self._model

    def _parts(self) -> Parts:
        from .diffusion.layout import parts

        return parts(self.options.path or EMBEDDED, self.options.image_model)

    def _references_digest(self, progress: Progress) -> str:
        """Of the names and contents of the files in the folder of references; empty without one."""
        privacy = self.options.privacy
        return folder_digest(privacy.reference, progress) if privacy and privacy.reference.is_dir() else ""

    def _sampled_frame_count(self) -> int:
        """How many frames are sampled, at the model's own rate, for the clip to last long enough."""
        return int(self._moments(self._load_model())[-1]) + 1

    def _moments(self, model: Model) -> np.ndarray:
        """The frame at the model's own rate that is nearest to each frame of the clip."""
        ratio = model.settings.fps / (self.options.fps or model.settings.fps)
        return np.array([math.floor(frame * ratio + 0.5) for frame in range(self.options.frames)])


@dataclass
class _Draw:
    """What is random of one sample; each attempt has a generator of its own, the next from the same stream."""

    index: int
    ejection_fraction: float
    rng: np.random.Generator
    rejected: int = 0

    def __post_init__(self) -> None:
        self._renew()

    def redraw(self, attempts: int) -> None:
        """Begin the next attempt. Raises :class:`kdkit.DataError` after the last one."""
        self.rejected += 1
        if self.rejected >= attempts:
            raise DataError(
                f"sample {self.index} was too near to a reference {attempts} times",
                "Raise privacy.attempts or privacy.percentile; if it goes on, the model repeats its training set.",
            )
        self._renew()

    def _renew(self) -> None:
        import torch

        self.chance = torch.Generator("cpu").manual_seed(int(self.rng.integers(2**63)))


def _is_file(path: Any) -> bool:
    return isinstance(path, Path) and path.is_file()
