"""The ejection fraction that a vision-language model sees in a clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from kdkit import VisionLanguage

PLACE = "{}"
PERCENT = np.arange(101)
# Of the ranks, the best share counts.
BEST = 0.2


def _with_a_place(template: str) -> str:
    if PLACE not in template:
        raise ValueError(f"{template!r} has no {PLACE} for the percentage")
    return template


Template = Annotated[str, AfterValidator(_with_a_place)]
"""A prompt with {} where the percentage goes."""


def seen_ejection_fraction(model: VisionLanguage, frames: np.ndarray, templates: Sequence[str]) -> float:
    """The ejection fraction, percent, that a model sees in frames uint8 (T, H, W) (Christensen et al. 2024).

    Every template makes prompts with 0 to 100 %. Each frame ranks all of these prompts by their similarity; the
    values at a rank are averaged over the frames, and the median over the first fifth of the ranks is taken.
    """
    prompts = [template.replace(PLACE, str(percent)) for template in templates for percent in PERCENT]
    return by_rank(model.similarities(frames, prompts), np.tile(PERCENT, len(templates)))


def by_rank(similarities: np.ndarray, values: np.ndarray) -> float:
    """The value of the most similar prompts: ``similarities`` (T, P) of frames with prompts, ``values`` (P,)."""
    ranked = values[np.argsort(-similarities, axis=1, kind="stable")].mean(0)
    return float(np.median(ranked[: int(BEST * len(ranked))]))
