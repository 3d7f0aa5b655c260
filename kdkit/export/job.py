"""What every form of export works on."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from kdkit.errors import UsageError
from kdkit.runs.student import TrainedStudent

INSTALL = "pip install 'kdkit[export]'"


@dataclass(frozen=True)
class Job:
    """``windows``: raw inputs to compare on, (batch, \\*sample shape), two or more. ``metadata``: text by name.

    ``calibration``: raw inputs to take ranges from for a student in 8 bits; None for one in float32.
    """

    student: TrainedStudent
    windows: np.ndarray
    metadata: Mapping[str, str]
    calibration: Sequence[np.ndarray] | None = None

    @property
    def axes(self) -> Mapping[int, str]:
        """The axes of the inputs that may have any length."""
        return self.student.component.dynamic_axes

    @property
    def frame_axes(self) -> dict[int, str]:
        """The same of one frame of the inputs, which has no axis of time."""
        return {axis - (axis > 1): name for axis, name in self.axes.items() if axis != 1}

    @property
    def metadata_json(self) -> str:
        """The metadata as one text."""
        return json.dumps(dict(self.metadata), indent=2)


def require_packages(*names: str) -> None:
    """Raises :class:`UsageError` when one of these modules is not installed."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise UsageError(f"this export needs {', '.join(missing)}, which is not installed", INSTALL)


def reason(error: BaseException) -> str:
    """The first line of the innermost cause: the exporter wraps it in advice on debugging."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's talk on standard output, its log and its warnings."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
