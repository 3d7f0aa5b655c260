"""Looking at a component from a fresh process, as a worker or tomorrow's run sees it.

The other process runs :func:`tell_component` or :func:`tell_module`: it reads a question as JSON from its standard
input and answers with the last line of its output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from operator import attrgetter
from typing import Any

from kdkit.contracts.component import Component
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
    return Sight(**_asked("tell_component", json.dumps(_described(component))))


def _described(component: Component) -> dict[str, Any]:
    """All that another process needs to make the same component, with its teacher where it has one."""
    cls = type(component)
    teacher = getattr(component, "teacher", None)
    return {
        "module": cls.__module__,
        "name": cls.__qualname__,
        "file": getattr(sys.modules[cls.__module__], "__file__", None),
        "version": component.version,
        "options": component.options.model_dump(mode="json"),
        "arguments": {"seed": component.seed} if hasattr(component, "seed") else {},
        "teacher": _described(teacher) if isinstance(teacher, Component) else None,
    }


def heavy_imports(module: str) -> list[str]:
    """The heavy libraries that importing this module loads."""
    found: list[str] = _asked("tell_module", json.dumps(module))
    return found


@cache
def _asked(function: str, question: str) -> Any:
    # Whatever this process can import, the other one must find too, installed or not.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(  # noqa: S603  # this interpreter, a function of this module
        [sys.executable, "-c", f"from {__name__} import {function}; {function}()"],
        input=question,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise BrokenPromiseError(
            f"in a fresh process it cannot be made: {done.stderr.strip().splitlines()[-1]}",
            "worker processes and later runs import it by its module and name",
            "Define the class at the top level of an importable module, and read nothing that only this process has.",
        )
    return json.loads(done.stdout.splitlines()[-1])


def tell_component() -> None:
    """What the other process does for :func:`look_at`."""
    question = json.load(sys.stdin)
    cls = _found(question["module"], question["name"], question["file"])
    heavy = _heavy()
    component = _made(cls, question)
    if question["teacher"]:
        teacher = question["teacher"]
        component.bind(_made(_found(teacher["module"], teacher["name"], teacher["file"]), teacher))
    print(json.dumps(vars(Sight(component.fingerprint(), heavy))))


def _made(cls: Any, description: dict[str, Any]) -> Any:
    component = cls(cls.Options.model_validate(description["options"]), **description["arguments"])
    component.version = description["version"]  # that of a single-file domain holds a digest of the file
    return component


def tell_module() -> None:
    """What the other process does for :func:`heavy_imports`."""
    import_module(json.load(sys.stdin))
    print(json.dumps(_heavy()))


def _heavy() -> list[str]:
    return [name for name in HEAVY if name in sys.modules]


def _found(module: str, name: str, file: str | None) -> Any:
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
