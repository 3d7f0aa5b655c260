"""A whole run of a domain, as small as it can be."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdkit.plugins.registry import Registry
from kdkit.progress import Silence
from kdkit.recipe.experiment import Experiment
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import RunFolder
from kdkit.runs.run import Run
from kdkit.stages.label import DOUBTFUL
from kdkit.stages.pipeline import run_stages

# Two samples in one batch, twice: two steps of training. Four to measure on: enough to doubt a teacher that says the
# same of all.
SETTINGS = (
    "samples.train=2",
    "samples.validation=1",
    "samples.evaluation=4",
    "training.epochs=2",
    "training.batch_size=2",
    "trainer.accelerator=cpu",
    "trainer.devices=1",
    "trainer.num_nodes=1",
    "trainer.strategy=auto",
    "trainer.precision=32-true",
    "trainer.workers=1",
)


@dataclass(frozen=True)
class Miniature:
    """A run that came to its end: its stages, how long they took, and what was doubted on the way."""

    stages: list[str]
    seconds: float
    doubts: list[str]

    def __str__(self) -> str:
        return f"miniature run: {', '.join(self.stages)} in {self.seconds:.0f} s"


def load_example(registry: Registry, domain: str, folder: Path, settings: Sequence[str] = ()) -> Experiment:
    """The domain's default recipe with the settings that make it run; files that they name lie below ``folder``."""
    domain_class: Any = registry.component("domain", domain)
    empty = Path(tempfile.mkdtemp(prefix="example-", dir=folder))
    return load_experiment(registry, domain, None, [*domain_class.example_settings(empty), *settings])


def run_miniature(registry: Registry, domain: str, folder: Path) -> Miniature:
    """Run the domain's default recipe with two steps of training, on the CPU, in ``folder``."""
    start = time.monotonic()
    experiment = load_example(registry, domain, folder, SETTINGS)
    doubts = _Doubts()
    stages = run_stages(Run(experiment, RunFolder(folder / "run"), folder / "store", doubts))
    return Miniature(stages, time.monotonic() - start, doubts.sentences)


class _Doubts(Silence):
    """Keeps what the stages doubt."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, stage: str, what: str, text: str) -> None:
        # Two steps teach a student nothing: what is doubted of it says nothing about the plugin.
        if text.startswith(DOUBTFUL) and not what.startswith("student"):
            self.sentences.append(f"{what}: {text.removeprefix(DOUBTFUL)}")
