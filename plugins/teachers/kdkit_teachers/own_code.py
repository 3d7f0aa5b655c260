"""Whether an import path leads into a user's own code, by what it arrives at, not by how it is written."""

from __future__ import annotations

import sys
from functools import partial
from types import ModuleType
from typing import Any

from kdkit import KdkitError

# Many of their functions read or write files, or run programs, and none of them is a model.
_LIBRARIES = frozenset(
    "torch torchvision numpy scipy pandas cv2 PIL lightning safetensors pydantic pluggy yaml jinja2 rich typer "
    " click kdkit kdkit_cli onnx onnxruntime sklearn matplotlib pip setuptools pkg_resources wheel pytest".split()
)


def is_of_python(module: str) -> bool:
    """Whether a module belongs to Python itself."""
    return module.partition(".")[0] in sys.stdlib_module_names


def check_own(path: str, found: Any) -> None:
    """Raise :class:`kdkit.KdkitError` unless ``found``, a part of ``path``, is defined in its package."""
    home = path.partition(":")[0].partition(".")[0]
    actual = _home(found)
    if actual.partition(".")[0] != home and not _is_network(found):
        where = f"{actual}, not in {home}" if actual else "C, outside of any module"
        raise KdkitError(
            f"{path} leads out of your own code: {_name(found)} is defined in {where}",
            "Name a class or function by the module that defines it.",
        )
    if home in _LIBRARIES and not _is_network(found) and not isinstance(found, ModuleType):
        raise KdkitError(
            f"{path} is a function of a library, which is no model", "Wrap it in a function of your own module."
        )


def _home(found: Any) -> str:
    """The module that defines a class, a function, or the class of any other object."""
    if isinstance(found, partial):
        return _home(found.func)
    if isinstance(found, ModuleType):
        return found.__name__
    own = found if isinstance(found, type) or hasattr(found, "__qualname__") else type(found)
    return str(getattr(own, "__module__", None) or "")


def _name(found: Any) -> str:
    return str(getattr(found, "__qualname__", None) or getattr(found, "__name__", None) or type(found).__name__)


def _is_network(found: Any) -> bool:
    """A torch module, or a class of them: what it computes is a model, whoever has written it."""
    import torch

    kind = found if isinstance(found, type) else type(found)
    return issubclass(kind, torch.nn.Module)
