"""The names of files that hold clips; DICOM files are recognised by their content, as they often have none."""

from __future__ import annotations

CLIP_SUFFIXES = (".avi", ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".gif")
