"""Classes beside tensors that checkpoints often hold, and whose making executes nothing of the file's choosing."""

from __future__ import annotations

import argparse
import builtins
import datetime
import pathlib
import types
from typing import Any


def harmless_globals() -> list[Any]:
    """What :class:`torch.serialization.safe_globals` takes: an object, or (object, the name that files know it by).

    Scalars, dtypes and arrays of numpy, paths, namespaces, and containers of the standard library.
    """
    import numpy as np
    from numpy._core import multiarray

    dtypes = [getattr(np.dtypes, name) for name in dir(np.dtypes) if name.endswith("DType")]
    numpy: list[Any] = [np.ndarray, np.dtype, *dtypes, np.bool_, np.float64, np.float32, np.int64, np.int32]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        numpy += [(getattr(multiarray, name), f"{module}.{name}") for name in ("scalar", "_reconstruct")]
    containers: list[Any] = [argparse.Namespace, types.SimpleNamespace]
    # torch fills no containers but dicts and lists.
    containers += [(_make_dict, "collections.defaultdict"), (_make_list, "collections.deque")]
    containers += [datetime.datetime, datetime.date, datetime.timedelta]
    for name in ("list", "dict", "tuple", "int", "float", "str", "bool", "frozenset"):
        containers.append((getattr(builtins, name), f"builtins.{name}"))
        containers.append((getattr(builtins, name), f"__builtin__.{name}"))
    return numpy + containers + _paths()


def _paths() -> list[Any]:
    """Paths of any system, as pure ones: that of another system cannot be made, and none of them is opened."""
    pure = {
        "PosixPath": pathlib.PurePosixPath,
        "PurePosixPath": pathlib.PurePosixPath,
        "WindowsPath": pathlib.PureWindowsPath,
        "PureWindowsPath": pathlib.PureWindowsPath,
    }
    return [(cls, f"{module}.{name}") for name, cls in pure.items() for module in ("pathlib", "pathlib._local")]


def _make_dict(*_: Any) -> dict[Any, Any]:
    return {}


def _make_list(items: Any = (), *_: Any) -> list[Any]:
    return list(items)
