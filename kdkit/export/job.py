"""What every form of export works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from kdkit.errors import UsageError
from kdkit.runs.student import TrainedStudent

INSTALL = "pip install 'kdkit[export]'"


@dataclass(frozen=True)
class Job:
    """``windows``: raw inputs to compare on, (batch, \\*sample shape), two or more. ``metadata``: text by name."""

    student: TrainedStudent
    windows: np.ndarray
    metadata: Mapping[str, str]

    @property
    def axes(self) -> Mapping[int, str]:
        """The axes of the inputs that may have any length."""
        return self.student.component.dynamic_axes


def require_packages(*names: str) -> None:
    """Raises :class:`UsageError` when one of these modules is not installed."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise UsageError(f"this export needs {', '.join(missing)}, which is not installed", INSTALL)
