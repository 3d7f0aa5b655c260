"""Trains the teacher on the training half and writes its weights: ``python -m kdkit_digits.train_teacher``.

Takes about a quarter of a minute on one core. The held-out half is used once, at the end, for the accuracy that is
written down; nothing is chosen by it.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save

from kdkit_digits.halves import Half, held_out_half, training_half
from kdkit_digits.networks import DigitNetwork, teacher_network
from kdkit_digits.teacher import SHIPPED

SEED = 0
EPOCHS = 60
BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
LABEL_SMOOTHING = 0.05


def main() -> None:
    """Train, measure, and write weights and provenance."""
    torch.manual_seed(SEED)
    network = teacher_network()
    _train(network, *(torch.from_numpy(array) for array in training_half()))
    # What is measured is what is shipped: weights in half precision.
    state = {name: value.half() for name, value in network.state_dict().items()}
    network.load_state_dict(state)
    data = save(state)
    SHIPPED.parent.mkdir(exist_ok=True)
    SHIPPED.write_bytes(data)
    provenance = {
        "data": "sklearn.datasets.load_digits: the first 898 images for training, the other 899 held out",
        "script": "python -m kdkit_digits.train_teacher",
        "seed": SEED,
        "epochs": EPOCHS,
        "torch": torch.__version__,
        "weights": sum(parameter.numel() for parameter in network.parameters()),
        "sha256": hashlib.sha256(data).hexdigest(),
        "accuracy_training": _accuracy(network, training_half()),
        "accuracy_held_out": _accuracy(network, held_out_half()),
    }
    SHIPPED.with_suffix(".json").write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(provenance, indent=2))


def _train(network: DigitNetwork, images: torch.Tensor, labels: torch.Tensor) -> None:
    steps = EPOCHS * (len(images) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            logits = network(_augment(images[batch].float()))
            loss = F.cross_entropy(logits, labels[batch], label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def _augment(images: torch.Tensor) -> torch.Tensor:
    """Each image turned, scaled, slanted and shifted a little, at random."""
    count = len(images)
    angle, scale = torch.randn(count) * 0.12, 1 + torch.randn(count) * 0.08
    slant, shift = torch.randn(count) * 0.1, torch.randn(count, 2) * 0.12
    maps = torch.zeros(count, 2, 3)
    maps[:, 0, 0], maps[:, 0, 1] = scale * angle.cos(), slant - angle.sin()
    maps[:, 1, 0], maps[:, 1, 1] = angle.sin(), scale * angle.cos()
    maps[:, :, 2] = shift
    grid = F.affine_grid(maps, [count, 1, *images.shape[1:]], align_corners=False)
    return F.grid_sample(images.unsqueeze(1), grid, align_corners=False).squeeze(1)


def _accuracy(network: DigitNetwork, half: Half) -> float:
    images, labels = half
    with torch.inference_mode():
        predictions = network.eval()(torch.from_numpy(images)).argmax(dim=1).numpy()
    return round(float(np.mean(predictions == labels)), 4)


if __name__ == "__main__":
    main()
