"""What a sweep runs: its points, each the experiment of one combination, checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kdkit.atomic import read_json, write_json
from kdkit.contracts.component import fingerprint_of
from kdkit.contracts.domain import Domain
from kdkit.errors import Problem, RecipeError, UsageError
from kdkit.plugins.registry import Registry
from kdkit.plugins.single_file import domain_name
from kdkit.recipe.experiment import Experiment
from kdkit.recipe.flatten import flatten
from kdkit.recipe.load import load_experiment
from kdkit.runs.folder import RunFolder, find_moved
from kdkit.runs.names import name_of
from kdkit.sweep.grid import Axis, combinations, declared_grid, read_grid, short_names, strip_quotes

MANIFEST, POINTS = "sweep.json", "points"
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Point:
    """One combination: ``values`` by path, and ``label``, those that tell it from the others.

    ``settings``: what its experiment was loaded with beside ``domain`` and ``config``, so that another process can.
    """

    label: str
    values: Mapping[str, str]
    domain: str
    config: Path | None
    settings: tuple[str, ...]
    experiment: Experiment

    @property
    def folder_name(self) -> str:
        """Readable, and another one for every other recipe: several grids may share a sweep's folder."""
        slug = re.sub(r"[^\w.=+-]+", "_", self.label)[:_LONGEST_NAME].strip("_.")
        return f"{slug}-{self.experiment.identity()[:8]}"

    @cached_property
    def contents(self) -> str:
        """As :meth:`Experiment.contents`."""
        return self.experiment.contents()


@dataclass(frozen=True)
class Sweep:
    """The points of a grid."""

    domain: str
    axes: Sequence[Axis]
    points: Sequence[Point]

    def common_identity(self) -> str:
        """16 hexadecimal digits of what all points have in common: more values of an axis do not change it."""
        recipes = [set(flatten(point.experiment.resolved_tree()).items()) for point in self.points]
        # More seeds, too, are added to the same runs.
        swept = (*(axis.path for axis in self.axes), "training.seeds")
        common = {path: value for path, value in set.intersection(*recipes) if not path.startswith(swept)}
        return fingerprint_of(
            common={path: common[path] for path in sorted(common)}, swept=sorted(axis.path for axis in self.axes)
        )


def plan(
    registry: Registry,
    domain: str,
    grid: Sequence[str],
    config: Path | None = None,
    settings: Sequence[str] = (),
    control: bool = False,
) -> Sweep:
    """The sweep of ``domain`` over ``grid`` (``path=v1,v2``), or over the grid that the domain declares.

    ``control``: whether each point trains its controls, too. Each point runs on one device unless ``settings`` say
    otherwise. Raises :class:`RecipeError` with every fault of any point, and :class:`UsageError` when there is no
    grid or the domain is unknown.
    """
    name = domain_name(registry, domain)
    problems: list[Problem] = []
    set_paths = {setting.partition("=")[0].strip() for setting in settings}
    if grid:
        axes = read_grid(grid, problems)
        problems.extend(Problem(a.path, "is in the grid and in --set") for a in axes if a.path in set_paths)
    else:
        domain_class = registry.component("domain", name)
        assert issubclass(domain_class, Domain)
        axes = [axis for axis in declared_grid(domain_class.sweep) if axis.path not in set_paths]
        if not axes:
            raise UsageError(f"the domain {name} has no grid of its own", "Say what to vary: --grid path=v1,v2")
    points: list[Point] = []
    names = short_names(axes)
    for values in combinations(axes):
        point_settings = ("trainer.devices=1", *settings, *(f"{path}={value}" for path, value in values.items()))
        if not control:
            point_settings = (*point_settings, "controls=[]")
        try:
            experiment = load_experiment(registry, domain, config, point_settings)
        except RecipeError as error:
            problems.extend(error.problems)
            continue
        label = " ".join(f"{short}={strip_quotes(values[path])}" for path, short in names.items())
        points.append(Point(label, values, domain, config, point_settings, experiment))
    if not problems:
        problems = _duplicates(points)
    if problems:
        raise RecipeError("the sweep", list(dict.fromkeys(problems)))
    return Sweep(name, axes, points)


def choose_sweep_folder(root: Path, sweep: Sweep, out: Path | None) -> Path:
    """``out``, or ``root/DOMAIN/sweep-NAME``; a manifest marks it as a sweep's. One whose inputs were moved is found.

    Raises :class:`UsageError` when ``out`` holds something else.
    """
    folder = out or _folder_in(root / sweep.domain, sweep)
    if read_json(folder / MANIFEST) is None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not a sweep's folder", "Choose another folder with --out.")
    write_json(folder / MANIFEST, {"domain": sweep.domain, "grid": {axis.path: axis.values for axis in sweep.axes}})
    return folder


def run_folder(sweep_folder: Path, point: Point) -> RunFolder:
    """Where a point's run lies; also one whose inputs lay elsewhere when it was made."""
    folder = RunFolder(sweep_folder / POINTS / point.folder_name)
    if folder.identity() is not None:
        return folder
    return find_moved(sweep_folder / POINTS, lambda: point.contents) or folder


def _folder_in(parent: Path, sweep: Sweep) -> Path:
    """The sweep's own folder, or that of a sweep along the same axes that has a run of one of its points."""
    own = parent / f"sweep-{name_of(sweep.common_identity())}"
    swept = {axis.path for axis in sweep.axes}
    for manifest in [] if own.exists() else sorted(parent.glob(f"sweep-*/{MANIFEST}")):
        content = read_json(manifest)
        grid = content.get("grid") if isinstance(content, dict) else None
        if isinstance(grid, dict) and set(grid) == swept:
            folder = manifest.parent
            if any(find_moved(folder / POINTS, lambda point=point: point.contents) for point in sweep.points):  # type: ignore[misc]
                return folder
    return own


def _duplicates(points: Sequence[Point]) -> list[Problem]:
    first: dict[str, Point] = {}
    problems = []
    for point in points:
        original = first.setdefault(point.experiment.identity(), point)
        if original is not point:
            problems.append(Problem(point.label, f"is the same run as {original.label}"))
    return problems
