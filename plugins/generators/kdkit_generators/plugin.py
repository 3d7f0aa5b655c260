"""The hooks of the generators plugin; nothing heavy is imported here."""

from __future__ import annotations

from kdkit import Entry, hookimpl


@hookimpl
def kdkit_generators() -> list[Entry]:
    return [
        Entry("noise", "Random noise of any shape, type and range: the control", "kdkit_generators.noise:Noise"),
        Entry("sounds", "Tones, chirps, noise and voices, int16 or float32", "kdkit_generators.sounds:Sounds"),
        Entry("tables", "Rows of numbers from ranges, or after a CSV file's rows", "kdkit_generators.tables:Tables"),
        Entry("mix", "Samples of several generators in turn", "kdkit_generators.mix:Mix"),
        Entry("folder", "Images or clips that lie in a folder", "kdkit_generators.folder:Folder"),
        Entry(
            "diffusers",
            "Images from a diffusion pipeline in a local folder",
            "kdkit_generators.diffusers:Diffusers",
        ),
        Entry(
            "inversion",
            "Pictures or clips optimised until the teacher is sure of them (DeepInversion, Yin 2020)",
            "kdkit_generators.inversion:Inversion",
        ),
        Entry(
            "adversarial",
            "Pictures or clips of a network that plays against the student (DAFL, DFAD 2019)",
            "kdkit_generators.adversarial:Adversarial",
        ),
    ]
