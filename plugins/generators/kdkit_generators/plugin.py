"""The hooks of the generators plugin; nothing heavy is imported here."""

from __future__ import annotations

from kdkit import Entry, hookimpl


@hookimpl
def kdkit_generators() -> list[Entry]:
    return [Entry("noise", "Smoothed random noise of any shape: the control", "kdkit_generators.noise:Noise")]
