"""The folder of a model in the layout that EchoNet-Synthetic published; torch is loaded only to read the weights.

``vae/`` (AutoencoderKL), one or more ``lidm_*/`` (UNet2DModel, latent images) and ``lvdm/``
(UNetSpatioTemporalConditionModel, latent clips), each with ``config.json`` and
``diffusion_pytorch_model.safetensors``.

``config.yaml``, in the folder of a network or else in the model's, may hold two mappings; other keys are ignored:

- ``noise_scheduler``: ``_class_name`` (DDPMScheduler, DDIMScheduler or DPMSolverMultistepScheduler of diffusers) and
  the arguments of that class. Without it: :data:`PUBLISHED_SCHEDULER`.
- ``sampling``, in the model's folder: ``sampler``, ``steps``, ``image_steps``, ``short_clips`` (these three for
  clips that are too short to show a beat), ``guidance``, ``fps`` (frames per second), ``ejection_fraction`` (the
  smallest and the largest, percent) and ``side`` (pixels); each is optional, see :class:`Settings`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from kdkit import ComponentOptions, DataError, Field, KdkitError, WeightsError, load_weights

from .conditions import PUBLISHED_RANGE, Percent

Sampler = Literal["dpm-solver++", "ddim", "ddpm"]

CONFIG, WEIGHTS, SETTINGS = "config.json", "diffusion_pytorch_model.safetensors", "config.yaml"
VAE, IMAGES, CLIPS = "vae", "lidm_", "lvdm"
CLASSES = {VAE: "AutoencoderKL", IMAGES: "UNet2DModel", CLIPS: "UNetSpatioTemporalConditionModel"}
USUAL_IMAGES = "lidm_dynamic"
INSTALL = "pip install 'kdkit-echocardio[diffusion]'"

PUBLISHED_SCHEDULER: Mapping[str, Any] = {
    "_class_name": "DDPMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "variance_type": "fixed_small",
    "clip_sample": True,
    "clip_sample_range": 4.0,
    "prediction_type": "v_prediction",
    "timestep_spacing": "leading",
}
SCHEDULERS = ("DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler")


class Sampling(ComponentOptions):
    """How noise is removed; the defaults are those of the published model."""

    sampler: Sampler = Field("dpm-solver++", description="How the noise is removed.")
    steps: int = Field(64, ge=1, description="Denoising steps.")
    image_steps: int | None = Field(None, ge=1, description="Denoising steps of the latent image; None: as many.")


class Settings(Sampling):
    """How a model is sampled; the defaults are those of the published one."""

    short_clips: Sampling | None = Field(
        None, description="What holds instead for clips that are too short to show a beat; None: the same."
    )
    guidance: float = Field(1.0, ge=0, description="Classifier-free guidance on the ejection fraction.")
    fps: float = Field(32.0, gt=0, description="Frames per second of its clips.")
    ejection_fraction: Percent = Field(PUBLISHED_RANGE, description="Smallest and largest it knows, percent.")
    side: int | None = Field(None, ge=1, description="Height and width of its frames, pixels.")


@dataclass(frozen=True)
class Parts:
    """The folders of one model's networks."""

    root: Path
    vae: Path
    images: Path
    clips: Path

    def files(self) -> Sequence[Path]:
        """Every file that the samples depend on."""
        folders = (self.vae, self.images, self.clips)
        needed = [folder / name for folder in folders for name in (CONFIG, WEIGHTS)]
        return [*needed, *(path for folder in (self.root, *folders) if (path := folder / SETTINGS).is_file())]


@dataclass(frozen=True)
class Model:
    """The networks, in evaluation mode, and what is derived from their configurations.

    ``channels``: of a latent. ``side``: height and width of a latent. ``factor``: how many pixels a latent's pixel is
    wide. ``scaling``: what latents were multiplied by. ``window``: how many frames the network of clips was trained
    on. ``image_scheduler``, ``clip_scheduler``: of diffusers' classes, with the settings of the training.
    """

    vae: Any  # diffusers' classes give types that say little
    images: Any
    clips: Any
    image_scheduler: Any
    clip_scheduler: Any
    settings: Settings
    channels: int
    side: int
    factor: int
    window: int
    scaling: float


def parts(folder: Path, images: str | None = None) -> Parts:
    """The folders of the networks; ``images`` names that of the latent images, None: the only one, or lidm_dynamic.

    Raises :class:`kdkit.WeightsError` that names the file when one is missing.
    """
    image_models = sorted(path.name for path in folder.glob(f"{IMAGES}*") if path.is_dir())
    if not image_models:
        raise WeightsError(f"{folder} has no {IMAGES}* folder: the network of latent images is missing", _EXPECTED)
    name = images or (image_models[0] if len(image_models) == 1 else USUAL_IMAGES)
    if name not in image_models:
        raise WeightsError(
            f"{folder} has no {name}", f"Set image_model to one of those that are there: {', '.join(image_models)}."
        )
    model_parts = Parts(folder, folder / VAE, folder / name, folder / CLIPS)
    for path in model_parts.files():
        if not path.is_file():
            raise WeightsError(f"{path} is missing", _EXPECTED)
    return model_parts


_EXPECTED = (
    f"Expected {VAE}/, {IMAGES}*/ and {CLIPS}/, each with {CONFIG} and {WEIGHTS} as save_pretrained writes them; "
    "weights are read from safetensors only."
)


def settings_of(folder: Path) -> Settings:
    """The settings of the model in ``folder``. Raises :class:`kdkit.DataError` when they are not valid."""
    path = folder / SETTINGS
    sampling = _read_yaml(path).get("sampling", {})
    try:
        settings = Settings.model_validate(sampling)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(place) for place in ("sampling", *first["loc"]))
        raise DataError(f"{path}: {key}: {first['msg']}") from error
    low, high = settings.ejection_fraction
    if not 0 <= low <= high <= 100:
        raise DataError(f"{path}: sampling.ejection_fraction is [{low:g}, {high:g}], not a range within 0..100")
    return settings


def load(folder: Path, images: str | None = None) -> Model:
    """Read the model in ``folder`` onto the processor, in float32.

    Nothing is downloaded and nothing in the folder is executed. Raises :class:`kdkit.WeightsError` that names the
    file when a network is missing, damaged, of another class, or does not fit the others; :class:`kdkit.DataError`
    for a ``config.yaml`` that cannot be understood; :class:`kdkit.KdkitError` without diffusers.
    """
    library = diffusers()
    model_parts = parts(folder, images)
    settings = settings_of(folder)
    schedulers = [_scheduler(library, path, folder) for path in (model_parts.images, model_parts.clips)]
    kinds = {VAE: model_parts.vae, IMAGES: model_parts.images, CLIPS: model_parts.clips}
    configs = [_config(path, CLASSES[kind]) for kind, path in kinds.items()]
    channels = _positive_int(model_parts.vae, configs[0], "latent_channels")
    vae, image_net, clip_net = (
        _network(library, path, config) for path, config in zip(kinds.values(), configs, strict=True)
    )
    _check_channels(model_parts, vae.config, image_net.config, clip_net.config, channels)
    factor = 2 ** (len(vae.config["block_out_channels"]) - 1)
    return Model(
        vae=vae,
        images=image_net,
        clips=clip_net,
        image_scheduler=schedulers[0],
        clip_scheduler=schedulers[1],
        settings=settings,
        channels=channels,
        side=_side(model_parts, settings, vae.config, image_net.config, factor),
        factor=factor,
        window=_positive_int(model_parts.clips, clip_net.config, "num_frames"),
        scaling=float(vae.config["scaling_factor"]),
    )


def downsampling(network: Any) -> int:
    """What the sides of a network's inputs must be divisible by."""
    return int(2 ** (len(network.config["block_out_channels"]) - 1))


def diffusers() -> Any:
    """The library. Raises :class:`kdkit.KdkitError` with the line that installs it when it is missing."""
    try:
        library = import_module("diffusers")
    except ImportError as error:
        raise KdkitError(
            f"the generator echo-diffusion needs diffusers, which cannot be imported: {error}", INSTALL
        ) from error
    library.utils.logging.set_verbosity_error()
    return library


def _config(folder: Path, expected_class: str) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        class_name = config.get("_class_name")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path} is no configuration of a network: {error}") from error
    if class_name != expected_class:
        raise WeightsError(f"{path} is of the class {class_name}; expected {expected_class}")
    return dict(config)


def _network(library: Any, folder: Path, config: dict[str, Any]) -> Any:
    import torch

    # A new network draws random weights before the stored ones are read: the caller's random state must not change.
    with torch.random.fork_rng(devices=[]):
        try:
            network = getattr(library, config["_class_name"]).from_config(config)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, ArithmeticError) as error:
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(f"{folder / CONFIG} describes no network that can be made: {reason}") from error
    load_weights(network, folder / WEIGHTS)
    return network.eval().requires_grad_(False)


def _positive_int(folder: Path, config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or value < 1:
        raise WeightsError(f"{folder / CONFIG}: {key} is {value!r}; expected a whole number from 1 up")
    return value


def _check_channels(model_parts: Parts, vae: Any, images: Any, clips: Any, channels: int) -> None:
    if vae["in_channels"] != vae["out_channels"] or vae["out_channels"] not in (1, 3):
        channel_counts = f"{vae['in_channels']} to {vae['out_channels']}"
        raise WeightsError(
            f"{model_parts.vae / CONFIG}: takes {channel_counts} channels; expected images of 1 or 3 channels"
        )
    for folder, config, inputs_expected in (
        (model_parts.images, images, channels),
        (model_parts.clips, clips, 2 * channels),
    ):
        if (config["in_channels"], config["out_channels"]) != (inputs_expected, channels):
            raise WeightsError(
                f"{folder / CONFIG}: takes {config['in_channels']} channels and gives {config['out_channels']}; "
                f"expected {inputs_expected} and {channels}, as the latents of {model_parts.vae} have {channels}"
            )
    if clips["cross_attention_dim"] != 1:
        raise WeightsError(
            f"{model_parts.clips / CONFIG}: cross_attention_dim is {clips['cross_attention_dim']}; expected 1, the "
            "ejection fraction"
        )
    if clips["projection_class_embeddings_input_dim"] % clips["addition_time_embed_dim"]:
        raise WeightsError(
            f"{model_parts.clips / CONFIG}: projection_class_embeddings_input_dim is not a multiple of "
            "addition_time_embed_dim"
        )


def _side(model_parts: Parts, settings: Settings, vae: Any, images: Any, factor: int) -> int:
    """Height and width of a latent.

    The ``sample_size`` in a network's config may be the side that latents are padded to, or an unset default. Both
    networks are therefore read, and that of latent images decides where they differ.
    """
    if settings.side is not None:
        if settings.side % factor:
            raise DataError(
                f"{model_parts.root / SETTINGS}: sampling.side is {settings.side}, not a multiple of {factor}"
            )
        return settings.side // factor
    side = _positive_int(model_parts.vae, vae, "sample_size") // factor
    declared = images["sample_size"]
    multiple = 2 ** (len(images["block_out_channels"]) - 1)
    if isinstance(declared, int) and declared != -(-side // multiple) * multiple:
        return declared
    return side


def _scheduler(library: Any, folder: Path, root: Path) -> Any:
    """The scheduler of a network's training, from the ``config.yaml`` nearest to it."""
    for path in (folder / SETTINGS, root / SETTINGS):
        config = _read_yaml(path).get("noise_scheduler")
        if config is not None:
            break
    else:
        path, config = folder / CONFIG, PUBLISHED_SCHEDULER
    name = config.get("_class_name") if isinstance(config, Mapping) else None
    if name not in SCHEDULERS:
        raise DataError(f"{path}: noise_scheduler._class_name is {name!r}", f"Known are {', '.join(SCHEDULERS)}.")
    try:
        return getattr(library, name)(**{key: value for key, value in config.items() if not str(key).startswith("_")})
    except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: noise_scheduler: {' '.join(str(error).split())[:200]}") from error


def _read_yaml(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path} is no YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(content, Mapping):
        raise DataError(f"{path} holds no mapping")
    return content
