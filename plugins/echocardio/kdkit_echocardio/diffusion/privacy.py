"""The privacy filter: samples too similar to a person of the training set are rejected. It needs no torch.

As in EchoNet-Synthetic (Reynaud et al., MICCAI 2024): pictures become vectors by a network that was trained to
recognise patients, the likeness of two is Pearson's correlation of their vectors (Dombrowski et al. 2023), and a
sampled picture whose likeness to any reference reaches the threshold is drawn again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from kdkit import ComponentOptions, DataError, Field, InputFile, InputPath, TeacherChoice

EMBEDDINGS = (".npy", ".safetensors")

# Frames of each reference clip, evenly spread: a heart is recognised in another phase, too.
FRAMES_OF_A_CLIP = 4
# Rows that are compared with all at once: bounds the memory.
CHUNK = 1024
# Two vectors of one picture correlate with 1 but for the rounding.
ROUNDING = 1e-6


class Privacy(ComponentOptions):
    """Which pictures are too similar to a reference, and how often one is drawn again."""

    in_words: ClassVar[str] = "{reference, embedding, percentile, attempts}"

    reference: InputPath = Field(
        description="What the model was trained on: a folder of recordings of any layout that is known, or the "
        "vectors of its pictures, one row for each person (.npy, or .safetensors with one tensor)."
    )
    embedding: InputFile | TeacherChoice = Field(
        description="What makes a vector of a picture: the file of EchoNet-Synthetic's re-identification network (a "
        "ResNet-50 on latents; .pth or .safetensors), or a teacher by name and options, which takes grey frames "
        "(height, width), 0..255, and returns the vector ({name: exported, file: ..., layout: gray})."
    )
    percentile: float = Field(
        95,
        gt=0,
        le=100,
        description="The threshold: this percentile of how much each reference is like the one most like it.",
    )
    attempts: int = Field(10, ge=1, description="How often one sample is drawn at most.")


@dataclass(frozen=True)
class References:
    """The references: ``directions`` float32 (N, D), centred rows of length 1; samples stay below ``threshold``."""

    directions: np.ndarray
    threshold: float

    @classmethod
    def of(cls, vectors: np.ndarray, people: Sequence[str] | np.ndarray, percentile: float) -> References:
        """From ``vectors`` (N, D) and the person of each; the threshold compares different people only.

        Raises :class:`kdkit.DataError` for fewer than two people, or vectors that cannot be correlated.
        """
        people = np.asarray(people)
        if len(set(people.tolist())) < 2:
            raise DataError("a privacy filter needs references of two people or more")
        directions = _directions(vectors)
        largest_likenesses = [
            np.where(people[rows, None] == people[None], -np.inf, directions[rows] @ directions.T).max(axis=1)
            for rows in _chunks(len(directions))
        ]
        return cls(directions, float(np.percentile(np.concatenate(largest_likenesses), percentile)))

    def likeness(self, vectors: np.ndarray) -> np.ndarray:
        """The correlation of each vector (B, D) with the reference most like it: float32 (B,), -1..1."""
        directions = _directions(vectors)
        if directions.shape[1] != self.directions.shape[1]:
            raise DataError(
                f"the embedding gives {directions.shape[1]} numbers, and the references have "
                f"{self.directions.shape[1]}",
                "Make the reference vectors with the same network.",
            )
        return np.asarray((directions @ self.directions.T).max(axis=1))

    def too_near(self, vectors: np.ndarray) -> np.ndarray:
        """Which of these vectors (B, D) are rejected: bool (B,)."""
        return np.asarray(self.likeness(vectors) >= self.threshold - ROUNDING)


def read_vectors(path: Path) -> np.ndarray:
    """The vectors (N, D) in a file; no pickle is read. Raises :class:`kdkit.DataError` when there are none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = [np.load(path, allow_pickle=False)] if path.suffix == ".npy" else list(load_file(path).values())
    except (OSError, ValueError, EOFError, SafetensorError) as error:
        raise DataError(f"{path} holds no vectors: {error}") from error
    if len(arrays) != 1 or arrays[0].ndim != 2:
        shapes = ", ".join(str(array.shape) for array in arrays) or "nothing"
        raise DataError(f"{path} holds {shapes}; expected one array (pictures, numbers of a vector)")
    return np.asarray(arrays[0])


def reference_frames(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The patient of each recording and a few of its frames, uint8 (N, 112, 112).

    Recordings that cannot be decoded are skipped: no model was trained on them. Raises :class:`kdkit.DataError`
    when the folder has no layout that is known.
    """
    from ..clips import fit
    from ..recordings import open_study

    for recording in open_study(folder).recordings:
        try:
            frames, _ = fit(recording.load())
        except DataError:
            continue
        positions = np.unique(np.linspace(0, len(frames) - 1, FRAMES_OF_A_CLIP).round().astype(int))
        yield recording.patient, frames[positions]


def _directions(vectors: np.ndarray) -> np.ndarray:
    """Rows centred and of length 1, whose products are Pearson's correlations; float32."""
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or rows.shape[1] < 2 or not np.isfinite(rows).all():
        raise DataError(f"vectors of shape {rows.shape} cannot be correlated, or hold numbers that are not finite")
    rows = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise DataError("the embedding gives a picture the same number throughout, which correlates with nothing")
    return np.asarray(rows / lengths, np.float32)


def _chunks(count: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, count, CHUNK)]
