"""The adversary's network; imported only when it is built."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from kdkit_generators.layout import Layout, arrange_axes, planes_and_size

# Starting from a map whose shorter side is below this, each doubling follows another.
SMALLEST = 8


class Dreamer(nn.Module):
    """``forward(count)``: so many samples, float 0..255, from latent noise through doublings and 3x3 convolutions.

    The network of DCGAN's kind that DAFL and DFAD use (Radford, Metz & Chintala 2016, arXiv:1511.06434), with
    nearest-neighbour doubling in the place of transposed convolutions. ``pool`` keeps earlier samples, uint8, the
    first ``pool_size`` places of it; both lie in the state dict.
    """

    pool: torch.Tensor
    pool_size: torch.Tensor

    def __init__(self, shape: Sequence[int], layout: Layout, latent: int, width: int, replay: int) -> None:
        super().__init__()
        planes, self.size = planes_and_size(shape, layout)
        self.layout = layout
        self.latent = latent
        self.width = width
        doublings = 0
        while min(self.size) / 2**doublings >= SMALLEST:
            doublings += 1
        self.start = (-(-self.size[0] // 2**doublings), -(-self.size[1] // 2**doublings))
        self.seed = nn.Linear(latent, width * self.start[0] * self.start[1])
        stages: list[nn.Module] = [nn.BatchNorm2d(width)]
        for _ in range(doublings):
            stages += [nn.Upsample(scale_factor=2), *_convolution(width, width)]
        stages += [*_convolution(width, max(1, width // 2)), nn.Conv2d(max(1, width // 2), planes, 3, padding=1)]
        self.stages = nn.Sequential(*stages)
        self.register_buffer("pool", torch.zeros((replay, *shape), dtype=torch.uint8))
        self.register_buffer("pool_size", torch.zeros((), dtype=torch.long))

    def forward(self, count: int) -> torch.Tensor:
        latent = torch.randn(count, self.latent, device=self.seed.weight.device)
        maps = self.stages(self.seed(latent).unflatten(1, (self.width, *self.start)))
        height, width = self.size
        return arrange_axes(255 * maps[:, :, :height, :width].sigmoid(), self.layout)

    def draw_replay(self, count: int) -> torch.Tensor:
        """So many earlier samples, drawn at random."""
        places = torch.randint(int(self.pool_size), (count,), device=self.pool.device)
        return self.pool[places]

    def remember(self, samples: torch.Tensor) -> None:
        """Put samples into the pool: behind those that are there, or in random places once it is full."""
        free_places = len(self.pool) - int(self.pool_size)
        if free_places > 0:
            head = samples[:free_places]
            self.pool[int(self.pool_size) : int(self.pool_size) + len(head)] = head
            self.pool_size += len(head)
        else:
            places = torch.randperm(len(self.pool), device=self.pool.device)[: len(samples)]
            self.pool[places] = samples[: len(places)]


def _convolution(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
