"""Looking at a component from a fresh process, as a worker or tomorrow's run sees it.

The other process calls :func:`describe_component` or :func:`describe_module`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from operator import attrgetter
from typing import Any

from kdkit.contracts.component import Component, Origin
from kdkit.testing.processes import FreshProcesses, ProcessFailure
from kdkit.testing.promise import BrokenPromiseError

HEAVY = ("torch", "torchvision", "lightning", "tensorflow", "jax", "onnxruntime", "cv2", "pandas", "sklearn")
_PROCESSES = FreshProcesses(__name__)


@dataclass(frozen=True)
class Sight:
    """The fingerprint there, and the heavy libraries that importing the component's module loaded."""

    fingerprint: str
    heavy: list[str]


def look_at(component: Component) -> Sight:
    """What a fresh process makes of this component, by its import path and its options."""
    return Sight(**_call("describe_component", json.dumps(_describe(component))))


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
    libraries: list[str] = _call("describe_module", json.dumps(module))
    return libraries


@cache
def _call(function: str, argument: str) -> Any:
    try:
        return _PROCESSES.call(function, json.loads(argument))
    except ProcessFailure as failure:
        raise BrokenPromiseError(
            f"in a fresh process it cannot be made: {failure}",
            "worker processes and later runs import it by its module and name",
            "Define the class at the top level of an importable module, and read nothing that only this process has.",
        ) from failure


def describe_component(question: dict[str, Any]) -> dict[str, Any]:
    """In the other process, for :func:`look_at`."""
    cls = _import_class(question["module"], question["name"], question["file"])
    heavy = _heavy()
    component = _make(cls, question)
    if question["teacher"]:
        teacher = question["teacher"]
        component.bind(_make(_import_class(teacher["module"], teacher["name"], teacher["file"]), teacher))
    return asdict(Sight(component.fingerprint(), heavy))


def _make(cls: Any, description: dict[str, Any]) -> Any:
    cls.origin = Origin(**description["origin"])  # as the registry does it
    return cls(cls.Options.model_validate(description["options"]), **description["arguments"])


def describe_module(module: str) -> list[str]:
    """In the other process, for :func:`heavy_imports`."""
    import_module(module)
    return _heavy()


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
