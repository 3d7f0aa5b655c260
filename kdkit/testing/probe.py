"""Looking at a component from a fresh process, as a worker or tomorrow's run sees it.

The other process runs :func:`tell_component` or :func:`tell_module`: it reads a question as JSON from its standard
input and answers with the last line of its output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from operator import attrgetter
from typing import Any

from kdkit.contracts.component import Component, Origin
from kdkit.testing.promise import BrokenPromiseError

HEAVY = ("torch", "torchvision", "lightning", "tensorflow", "jax", "onnxruntime", "cv2", "pandas", "sklearn")
SECONDS = 120


@dataclass(frozen=True)
class Sight:
    """The fingerprint there, and the heavy libraries that importing the component's module loaded."""

    fingerprint: str
    heavy: list[str]


def look_at(component: Component) -> Sight:
    """What a fresh process makes of this component, by its import path and its options."""
    return Sight(**_ask("tell_component", json.dumps(_describe(component))))


def _describe(component: Component) -> dict[str, Any]:
    """All that another process needs to make the same component, with its teacher where it has one."""
    cls = type(component)
    teacher = getattr(component, "teacher", None)
    return {
        "module": cls.__module__,
        "name": cls.__qualname__,
        "file": getattr(sys.modules[cls.__module__], "__file__", None),
        "origin": asdict(component.origin),
        "options": component.options.model_dump(mode="json"),
        "arguments": {"seed": component.seed} if hasattr(component, "seed") else {},
        "teacher": _describe(teacher) if isinstance(teacher, Component) else None,
    }


def heavy_imports(module: str) -> list[str]:
    """The heavy libraries that importing this module loads."""
    libraries: list[str] = _ask("tell_module", json.dumps(module))
    return libraries


@cache
def _ask(function: str, question: str) -> Any:
    # Whatever this process can import, the other one must find too, installed or not.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.run(  # noqa: S603  # this interpreter, a function of this module
        [sys.executable, "-c", f"from {__name__} import {function}; {function}()"],
        input=question,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment,
        check=False,
    )
    if process.returncode:
        raise BrokenPromiseError(
            f"in a fresh process it cannot be made: {process.stderr.strip().splitlines()[-1]}",
            "worker processes and later runs import it by its module and name",
            "Define the class at the top level of an importable module, and read nothing that only this process has.",
        )
    return json.loads(process.stdout.splitlines()[-1])


def tell_component() -> None:
    """What the other process does for :func:`look_at`."""
    question = json.load(sys.stdin)
    cls = _import_class(question["module"], question["name"], question["file"])
    heavy = _heavy()
    component = _make(cls, question)
    if question["teacher"]:
        teacher = question["teacher"]
        component.bind(_make(_import_class(teacher["module"], teacher["name"], teacher["file"]), teacher))
    print(json.dumps(vars(Sight(component.fingerprint(), heavy))))


def _make(cls: Any, description: dict[str, Any]) -> Any:
    cls.origin = Origin(**description["origin"])  # as the registry does it
    return cls(cls.Options.model_validate(description["options"]), **description["arguments"])


def tell_module() -> None:
    """What the other process does for :func:`heavy_imports`."""
    import_module(json.load(sys.stdin))
    print(json.dumps(_heavy()))


def _heavy() -> list[str]:
    return [name for name in HEAVY if name in sys.modules]


def _import_class(module: str, name: str, file: str | None) -> Any:
    try:
        return attrgetter(name)(import_module(module))
    except (ImportError, AttributeError):
        # A module that was loaded from its file, as a single-file domain or a test is.
        spec = spec_from_file_location(module, file) if file else None
        if spec is None or spec.loader is None:
            raise
        sys.modules[module] = loaded = module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return attrgetter(name)(loaded)
