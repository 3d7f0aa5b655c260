"""The folder of one run: where its files lie, and its manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kdkit.atomic import digest_of, read_sealed, write_sealed
from kdkit.errors import UsageError
from kdkit.runs.lock import LOCK
from kdkit.runs.names import name_of

STUDENT, TEACHER = "student", "teacher"
# Stands beside the models in scores: people, measured in a model's place.
HUMANS = "humans"
MANIFEST = "manifest.json"
# Raised whenever a manifest or recipe of the older kind would be misread.
FORMAT = 4
# Begins the first line of a run's recipe; its identity follows.
RECIPE_HEAD = "# The recipe of run "


def home() -> Path:
    """The folder of runs and of the shared store: ``KDKIT_HOME``, else ``runs`` in the current folder."""
    return Path(os.environ.get("KDKIT_HOME") or "runs")


class RunFolder:
    """Paths in a run's folder, and the manifest that says which stages are done for which inputs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest_file = path / MANIFEST
        self.recipe_file = path / "recipe.yaml"
        self.scores_file = path / "scores.json"
        self.cases_file = path / "cases.csv"
        self.models_file = path / "models.json"
        self.report_file = path / "report.html"
        self.recordings_file = path / "recordings.json"

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
        content = read_sealed(self.manifest_file) or {}
        for part in ("stages", "seconds"):
            if not isinstance(content.get(part, {}), dict):
                del content[part]
        return content

    def is_recorded(self) -> bool:
        """Whether what the run is made with was written down, and none of it has changed since."""
        manifest = self.manifest()
        return "identity" in manifest and self.has_own_recipe()

    def has_own_recipe(self) -> bool:
        """Whether the recipe is there as the run has written it."""
        digest = digest_of(self.recipe_file)
        return bool(digest) and digest == self.manifest().get("recipe")

    def identity(self) -> str | None:
        """The identity of the run whose folder this is, by its manifest or its recipe; None where neither says."""
        identity = self.manifest().get("identity")
        if identity is None:
            first_line = _text(self.recipe_file).partition("\n")[0]
            identity = first_line.removeprefix(RECIPE_HEAD) if first_line.startswith(RECIPE_HEAD) else None
        return identity

    def lost_manifest(self) -> bool:
        """Whether the folder is that of a run, and its manifest is gone or not what was written."""
        return not self.manifest() and (self.manifest_file.is_file() or self.identity() is not None)

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
        write_sealed(self.manifest_file, self.manifest() | parts)

    def fingerprint(self, stage: str) -> str | None:
        """The fingerprint under which a stage was last done, None if it never was."""
        return self._entry(stage).get("fingerprint")

    def is_done(self, stage: str, fingerprint: str) -> bool:
        """Whether a stage was done under this fingerprint, and every file that it wrote is what it wrote."""
        entry = self._entry(stage)
        files: dict[str, str] = entry.get("files", {})
        is_current = entry.get("fingerprint") == fingerprint
        return is_current and all(digest and digest_of(self.path / name) == digest for name, digest in files.items())

    def written_digest(self, stage: str, file: Path) -> str:
        """The SHA-256 that a file had when the stage wrote it; "" where nothing says so."""
        return str(self._entry(stage).get("files", {}).get(file.relative_to(self.path).as_posix(), ""))

    def mark_done(self, stage: str, fingerprint: str, seconds: float, files: Iterable[Path] = ()) -> None:
        """``files``: what the stage wrote into the folder; their digests are kept."""
        digests = {file.relative_to(self.path).as_posix(): digest_of(file) for file in files}
        stages = self.manifest().get("stages", {})
        stages[stage] = {"fingerprint": fingerprint, "seconds": round(seconds, 2), "files": digests}
        self.update_manifest(stages=stages)

    def _entry(self, stage: str) -> dict[str, Any]:
        entry = self.manifest().get("stages", {}).get(stage)
        return entry if isinstance(entry, dict) else {}

    def forget(self, stages: list[str]) -> None:
        """Let these stages count as not done."""
        remaining = {k: v for k, v in self.manifest().get("stages", {}).items() if k not in stages}
        self.update_manifest(stages=remaining)


def choose_folder(
    root: Path, domain: str, identity: str, out: Path | None, contents: Callable[[], str] = lambda: ""
) -> RunFolder:
    """The folder of the run with this identity: ``out``, or ``root/DOMAIN/NAME`` with a name made from the identity.

    ``contents``: what the identity would be if files counted by what they hold, not by where they lie: a run whose
    inputs were moved is still that run. Raises :class:`UsageError` when ``out`` already holds the run of another
    recipe or of another version of kdkit, or files that are no run.
    """
    if out is not None:
        folder = RunFolder(out)
        folder.check_format()
        owner = folder.identity()
        if owner not in (None, identity) and not _was_moved(folder, contents):
            raise UsageError(f"{out} holds the run of another recipe", "Choose another folder with --out.")
        # A manifest that is damaged belonged to a run, of which nothing counts as done.
        is_run = owner is not None or folder.manifest_file.is_file()
        if not is_run and out.exists() and (not out.is_dir() or not folder.is_empty()):
            raise UsageError(f"{out} exists and is not a run's folder", "Choose another folder with --out.")
        return folder
    name, tries = name_of(identity), 1
    while True:
        folder = RunFolder(root / domain / (name if tries == 1 else f"{name}-{tries}"))
        if folder.identity() in (None, identity) and not folder.has_other_format():
            break
        tries += 1
    return folder if folder.identity() is not None else find_moved(root / domain, contents) or folder


def find_moved(parent: Path, contents: Callable[[], str]) -> RunFolder | None:
    """The run in a folder of ``parent`` whose recipe and inputs are these, wherever the inputs lay."""
    folders = (RunFolder(path.parent) for path in sorted(parent.glob(f"*/{MANIFEST}")))
    return next((folder for folder in folders if _was_moved(folder, contents)), None)


def _was_moved(folder: RunFolder, contents: Callable[[], str]) -> bool:
    """Whether the folder holds this very run, whose inputs lay elsewhere."""
    recorded = folder.manifest().get("contents")
    return bool(recorded) and not folder.has_other_format() and recorded == contents()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
