"""The folder of one run: where its files lie, and its manifest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kdkit.atomic import read_json, write_json
from kdkit.errors import UsageError
from kdkit.runs.lock import LOCK
from kdkit.runs.names import name_of

STUDENT, TEACHER = "student", "teacher"
# Stands beside the models in scores: people, measured in a model's place.
HUMANS = "humans"
# Raised whenever a manifest or recipe of the older kind would be misread.
FORMAT = 3


def home() -> Path:
    """The folder of runs and of the shared store: ``KDKIT_HOME``, else ``runs`` in the current folder."""
    return Path(os.environ.get("KDKIT_HOME") or "runs")


class RunFolder:
    """Paths in a run's folder, and the manifest that says which stages are done for which inputs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest_file = path / "manifest.json"
        self.recipe_file = path / "recipe.yaml"
        self.scores_file = path / "scores.json"
        self.cases_file = path / "cases.csv"
        self.models_file = path / "models.json"
        self.report_file = path / "report.html"

    def model(self, arm: str) -> Path:
        """The folder of a trained network: weights and card."""
        return self.path / arm

    def checkpoints(self, arm: str) -> Path:
        return self.path / "checkpoints" / arm

    def history(self, arm: str) -> Path:
        """CSV of the losses, epoch by epoch."""
        return self.path / "history" / f"{arm}.csv"

    def predictions(self, arm: str) -> Path:
        return self.path / "predictions" / arm

    def manifest(self) -> dict[str, Any]:
        """Empty where there is none or it is damaged: then no stage counts as done."""
        content = read_json(self.manifest_file)
        if not isinstance(content, dict):
            return {}
        for part in ("stages", "seconds"):
            if not isinstance(content.get(part, {}), dict):
                del content[part]
        return content

    def is_recorded(self) -> bool:
        """Whether what the run is made with was written down."""
        return "identity" in self.manifest() and bool(_text(self.recipe_file).strip())

    def is_empty(self) -> bool:
        """Whether nothing lies in the folder but what a start that was cut off leaves."""
        return all(path.name.startswith((LOCK, ".")) for path in self.path.iterdir())

    def has_other_format(self) -> bool:
        """Whether the folder holds a run that an older or a newer kdkit wrote down in its own way."""
        manifest = self.manifest()
        return bool(manifest) and manifest.get("format") != FORMAT

    def check_format(self) -> None:
        """Raises :class:`UsageError` where :meth:`has_other_format`."""
        if self.has_other_format():
            raise UsageError(
                f"{self.path} holds a run of another version of kdkit, which this one cannot read",
                "Choose another folder with --out, or delete this one.",
            )

    def update_manifest(self, **parts: Any) -> None:
        write_json(self.manifest_file, self.manifest() | parts)

    def fingerprint(self, stage: str) -> str | None:
        """The fingerprint under which a stage was last done, None if it never was."""
        entry = self.manifest().get("stages", {}).get(stage)
        return entry.get("fingerprint") if isinstance(entry, dict) else None

    def mark_done(self, stage: str, fingerprint: str, seconds: float) -> None:
        stages = self.manifest().get("stages", {})
        stages[stage] = {"fingerprint": fingerprint, "seconds": round(seconds, 2)}
        self.update_manifest(stages=stages)

    def forget(self, stages: list[str]) -> None:
        """Let these stages count as not done."""
        remaining = {k: v for k, v in self.manifest().get("stages", {}).items() if k not in stages}
        self.update_manifest(stages=remaining)


def choose_folder(root: Path, domain: str, identity: str, out: Path | None) -> RunFolder:
    """The folder of the run with this identity: ``out``, or ``root/DOMAIN/NAME`` with a name made from the identity.

    Raises :class:`UsageError` when ``out`` already holds the run of another recipe or of another version of kdkit,
    or files that are no run.
    """
    if out is not None:
        folder = RunFolder(out)
        folder.check_format()
        owner = folder.manifest().get("identity")
        if owner not in (None, identity):
            raise UsageError(f"{out} holds the run of another recipe", "Choose another folder with --out.")
        # A manifest that is damaged belonged to a run, of which nothing counts as done.
        is_run = owner is not None or folder.manifest_file.is_file()
        if not is_run and out.exists() and (not out.is_dir() or not folder.is_empty()):
            raise UsageError(f"{out} exists and is not a run's folder", "Choose another folder with --out.")
        return folder
    name, tries = name_of(identity), 1
    while True:
        folder = RunFolder(root / domain / (name if tries == 1 else f"{name}-{tries}"))
        if folder.manifest().get("identity", identity) == identity and not folder.has_other_format():
            return folder
        tries += 1


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
