"""What a run was made with and on, for its manifest."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

import kdkit
from kdkit.contracts.component import Component
from kdkit.recipe.experiment import Experiment

_KDKIT = "kdkit"


def versions(experiment: Experiment) -> dict[str, str]:
    """Versions of Python, of the distributions that the run's components come from, and of what these depend on.

    kdkit's own come first; requirements are those that a distribution names for this machine, without its extras.
    """
    own = {component.origin.distribution for component in (experiment.domain, *experiment.components().values())}
    distributions = [_KDKIT, *sorted(own - {"", _KDKIT})]
    numbers = {"python": platform.python_version(), _KDKIT: kdkit.__version__}
    for listed in (*map(_version, distributions), *map(_versions_of_requirements, distributions)):
        for name, number in listed.items():
            numbers.setdefault(name, number)
    return numbers


def _version(distribution: str) -> dict[str, str]:
    try:
        return {distribution: version(distribution)}
    except PackageNotFoundError:
        return {}


@cache
def _versions_of_requirements(distribution: str) -> dict[str, str]:
    """Read once a process: they are many files, and each training writes them into its card."""
    numbers: dict[str, str] = {}
    for name in _requirements(distribution):
        numbers |= _version(name)
    return numbers


def _requirements(distribution: str) -> list[str]:
    try:
        texts = requires(distribution) or []
    except PackageNotFoundError:
        return []
    parsed = [Requirement(text) for text in texts]
    return [one.name for one in parsed if one.marker is None or one.marker.evaluate({"extra": ""})]


def hardware() -> dict[str, str | int]:
    """Operating system, processor and number of cores."""
    return {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count() or 1}


def components(experiment: Experiment) -> dict[str, dict[str, str]]:
    """What each component of an experiment is, the domain too, by its dotted path in the recipe."""
    by_path = {"domain": experiment.domain, **experiment.components()}
    return {path: describe_component(component) for path, component in by_path.items()}


def trusted(experiment: Experiment) -> list[str]:
    """The dotted paths of options called ``trust`` that are set: files that were loaded without being examined."""
    paths: list[str] = []
    for path, component in experiment.components().items():
        paths += _set_options(component.options.model_dump(mode="json"), path, "trust")
    return paths


def _set_options(node: Any, path: str, name: str) -> Iterator[str]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if key == name and value is True:
            yield f"{path}.{key}"
        yield from _set_options(value, f"{path}.{key}", name)


def describe_component(component: Component) -> dict[str, str]:
    """What the component is and where it comes from, as plain values; ``digest`` is empty for an installed wheel."""
    return {
        "kind": component.kind,
        "name": component.origin.name,
        "distribution": component.origin.distribution,
        "distribution_version": component.origin.distribution_version,
        "version": component.version,
        "digest": component.origin.digest,
        "fingerprint": component.fingerprint(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")  # Linux; platform.processor() is empty there on many distributions
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
