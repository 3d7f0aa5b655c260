"""Whether a project's wheel will hold the files that its code reads."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from kdkit.contracts.domain import Domain
from kdkit.testing.suite import Broken


def check_recipe_is_packaged(folder: Path, domain: type[Domain]) -> Broken | None:
    """What is wrong when the domain's recipe.yaml is there and the project's wheel would lack it.

    ``folder``: of the project, which was loaded from there. Only setuptools needs to be told of files that are no
    code; a MANIFEST.in, or a plugin that takes what is under version control, is trusted.
    """
    file = domain.recipe_file()
    project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    build: dict[str, Any] = project.get("build-system", {})
    if domain.recipe or not file.is_file() or "setuptools" not in build.get("build-backend", "setuptools"):
        return None
    if (folder / "MANIFEST.in").is_file() or any("scm" in one or "git" in one for one in build.get("requires", [])):
        return None
    package = domain.__module__.rpartition(".")[0]
    patterns: dict[str, list[str]] = project.get("tool", {}).get("setuptools", {}).get("package-data", {})
    for key, names in patterns.items():
        if key in ("", "*", package) and any(fnmatch(file.name, name) for name in names):
            return None
    return Broken(
        "packaging",
        f"{file.name} beside the domain's module is not in the package-data of pyproject.toml: installed from a "
        "wheel, the domain has no recipe",
        f'Add it: [tool.setuptools.package-data] {package} = ["{file.name}"].',
    )
