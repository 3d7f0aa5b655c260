"""The samples on which a model does worst, with the domain's pictures of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from kdkit.contracts.domain import Domain
from kdkit.contracts.generator import Generator
from kdkit.contracts.vocabulary import Case, Figure
from kdkit.evaluation.scoring import Networks, ScoringResult, predict_sample

WORST = 8


@dataclass(frozen=True)
class WorstCase:
    """One of the worst samples with the pictures that the domain drew of it."""

    title: str
    figures: Sequence[Figure]


def worst_rows(result: ScoringResult, model: str, metric: str, higher_is_better: bool | None) -> list[dict[str, Any]]:
    """The rows of this model's worst samples by this metric, the worst first."""
    rows = [row for row in result.rows if row["model"] == model and row[metric] is not None]
    badness = {True: lambda value: -value, False: lambda value: value, None: abs}[higher_is_better]
    return sorted(rows, key=lambda row: badness(row[metric]), reverse=True)[:WORST]


def draw_worst(
    networks: Networks, domain: Domain, source: Generator, rows: Sequence[Mapping[str, Any]], metric: str
) -> Iterator[WorstCase]:
    """The domain's pictures of these samples, which are read and predicted anew on the processor.

    The predictions of all samples are too large to be kept for these few.
    """
    on_cpu = {model: network.cpu() for model, network in networks.items()}
    for row in rows:
        (sample,) = source.generate([row["index"]])
        case = Case("worst", row[metric], sample, predict_sample(on_cpu, domain, sample, torch.device("cpu")))
        yield WorstCase(f"{row['sample']}: {metric} {row[metric]:.3f}", list(domain.figures([case])))
