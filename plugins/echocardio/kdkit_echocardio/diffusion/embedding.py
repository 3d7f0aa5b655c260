"""Networks that make vectors of pictures, for the privacy filter; importing it loads torch and torchvision."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.models import resnet50

from kdkit import TeacherChoice, WeightsError

from .layout import Model
from .privacy import EMBEDDINGS, Privacy, References, read_vectors, reference_frames
from .sampling import CHUNK, decode_latents, encode_frames

Embedding = Callable[[torch.Tensor], np.ndarray]
"""Vectors, float (N, D), of latent images (N, C, h, w)."""


def embedding_of(privacy: Privacy, model: Model) -> Embedding:
    """The embedding of the options. Raises :class:`kdkit.WeightsError` for weights of another network."""
    if isinstance(privacy.embedding, TeacherChoice):
        network = privacy.embedding.make().build().eval().requires_grad_(False)

        def of_frames(latents: torch.Tensor) -> np.ndarray:
            outputs = [network(part) for part in decode_latents(model, latents).split(CHUNK)]
            return torch.cat([output.flatten(1).float().cpu() for output in outputs]).numpy()

        return of_frames
    device = next(model.vae.parameters()).device
    patients = reidentification(privacy.embedding, model.channels).to(device)

    def of_latents(latents: torch.Tensor) -> np.ndarray:
        vectors = [patients(_spread(part)).sigmoid().float().cpu() for part in latents.split(CHUNK)]
        return torch.cat(vectors).numpy()

    return of_latents


def references_of(privacy: Privacy, model: Model, embedding: Embedding) -> References:
    """The references with their threshold. Raises :class:`kdkit.DataError` when they cannot be read, or are few."""
    path = privacy.reference
    if path.is_dir():
        vectors, people = [], []
        for person, frames in reference_frames(path):
            vectors.append(embedding(encode_frames(model, torch.from_numpy(frames))))
            people += [person] * len(frames)
        return References.of(np.concatenate(vectors) if vectors else np.empty((0, 2)), people, privacy.percentile)
    if path.suffix not in EMBEDDINGS:
        raise WeightsError(f"{path} is neither a folder of recordings nor {' or '.join(EMBEDDINGS)}")
    rows = read_vectors(path)
    return References.of(rows, np.arange(len(rows)), privacy.percentile)


def reidentification(path: Path, channels: int) -> torch.nn.Module:
    """EchoNet-Synthetic's siamese network, one branch: latents (N, C, h, w) to features (N, D), no sigmoid yet.

    A ResNet-50 whose first convolution takes latents and whose last layer gives the features. Its keys may carry any
    prefix ("model.", "module.model."), and other parts of the file are ignored. Raises
    :class:`kdkit.WeightsError` when the file is damaged, would execute code, or holds another network.
    """
    state = _state(path)
    prefix = next((key.removesuffix("layer1.0.conv1.weight") for key in state if "layer1.0.conv1" in key), "")
    weights = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    input_layer, output_layer = weights.get("conv1.weight"), weights.get("fc.weight")
    if input_layer is None or output_layer is None or input_layer.ndim != 4 or output_layer.ndim != 2:
        raise WeightsError(f"{path} holds no ResNet-50: its conv1.weight or fc.weight is missing")
    if input_layer.shape[1] != channels:
        raise WeightsError(f"{path} takes {input_layer.shape[1]} channels, and the latents have {channels}")
    with torch.random.fork_rng(devices=[]):
        network = resnet50(weights=None, num_classes=output_layer.shape[0])
        network.conv1 = torch.nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    expected = network.state_dict()
    try:
        network.load_state_dict({key: value for key, value in weights.items() if key in expected})
    except RuntimeError as error:
        raise WeightsError(
            f"{path} holds another network than a ResNet-50", str(error).splitlines()[1].strip()
        ) from error
    return network.eval().requires_grad_(False)


def _spread(latents: torch.Tensor) -> torch.Tensor:
    """Each latent image from -1 to 1, as the network was trained on them."""
    low, high = latents.amin((1, 2, 3), keepdim=True), latents.amax((1, 2, 3), keepdim=True)
    return (latents - low) / (high - low).clamp_min(torch.finfo(latents.dtype).tiny) * 2 - 1


def _state(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: Any = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{path} was not loaded: it is no whole file of plain tensors: {reason}") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path} holds no state dict")
    return state
