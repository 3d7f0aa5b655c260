"""The hooks of the teachers plugin; nothing heavy is imported here."""

from __future__ import annotations

from kdkit import Entry, hookimpl


@hookimpl
def kdkit_teachers() -> list[Entry]:
    return [
        Entry(
            "torchvision",
            "Any torchvision classification or segmentation model, with weights from a local file",
            "kdkit_teachers.torchvision:Torchvision",
        )
    ]
