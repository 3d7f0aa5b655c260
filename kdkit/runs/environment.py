"""What a run was made with and on, for its manifest."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import kdkit

_LIBRARIES = ("torch", "lightning", "torchvision", "numpy", "opencv-python", "safetensors")


def versions() -> dict[str, str]:
    """Versions of Python, kdkit and the libraries that results depend on."""
    found = {"python": platform.python_version(), "kdkit": kdkit.__version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, str | int]:
    """Operating system, processor and number of cores."""
    return {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count() or 1}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")  # Linux; platform.processor() is empty there on many distributions
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
