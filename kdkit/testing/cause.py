"""What an exception goes back to: the same fault of an author's code, wherever it was met."""

from __future__ import annotations

from pathlib import Path

from kdkit.plugins.calls import own_frames

# The kind of the first exception, and the last line of code that is neither kdkit's nor a library's.
Cause = tuple[str, str, int]


def find_cause(error: BaseException) -> Cause:
    """The exception's kind and place in the author's code; its text where it never was there."""
    while error.__cause__ is not None:
        error = error.__cause__
    frames = own_frames(error)
    if frames:
        return type(error).__name__, frames[-1].filename, frames[-1].lineno or 0
    return type(error).__name__, str(error), 0


def place_of(error: BaseException) -> str:
    """`` (student.py, line 31)``: where in the author's code it was raised; empty where it was not."""
    frames = own_frames(error)
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
