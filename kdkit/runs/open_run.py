"""A finished run, opened again from its folder."""

from __future__ import annotations

from pathlib import Path

from kdkit.errors import StoreError, UsageError
from kdkit.plugins.registry import Registry
from kdkit.progress import Progress
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import RunFolder, home
from kdkit.runs.run import Run


def open_run(registry: Registry, path: Path, progress: Progress) -> Run:
    """The run in a folder, by the recipe that lies there.

    Raises :class:`UsageError` when it is not a run's folder, or that of another version of kdkit, and
    :class:`kdkit.errors.RecipeError` when its recipe names what is not here.
    """
    folder = RunFolder(path)
    manifest = folder.manifest()
    if not isinstance(manifest.get("domain"), str) or not folder.recipe_file.is_file():
        raise UsageError(
            f"{path} is not a run's folder" if path.exists() else f"{path} does not exist",
            f"Expected one with {folder.manifest_file.name} and {folder.recipe_file.name}, as kdkit run writes it.",
        )
    folder.check_format()
    if not folder.has_own_recipe():
        raise StoreError(
            f"{folder.recipe_file} is damaged, or was edited: it is not what the run wrote",
            f"kdkit run {manifest['domain']} --out {path}, with the recipe or the options of then, writes it again.",
        )
    experiment = load_experiment(registry, manifest["domain"], folder.recipe_file)
    store = Path(str(manifest.get("store", "")))
    if not store.is_dir():  # noted relative to another folder, or moved
        store = home() / "store"
    return Run(experiment, folder, store, progress)
