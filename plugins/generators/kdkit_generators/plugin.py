"""The hooks of the generators plugin; nothing heavy is imported here."""

from __future__ import annotations

from kdkit import Entry, hookimpl


@hookimpl
def kdkit_generators() -> list[Entry]:
    return [
        Entry("noise", "Smoothed random noise of any shape: the control", "kdkit_generators.noise:Noise"),
        Entry("mix", "Samples of several generators in turn", "kdkit_generators.mix:Mix"),
        Entry("folder", "Images or clips that lie in a folder", "kdkit_generators.folder:Folder"),
        Entry(
            "diffusers",
            "Images from a diffusion pipeline in a local folder",
            "kdkit_generators.diffusers:Diffusers",
        ),
        Entry(
            "inversion",
            "Samples optimised until the teacher is sure of them (DeepInversion, Yin 2020)",
            "kdkit_generators.inversion:Inversion",
        ),
        Entry(
            "adversarial",
            "A network trained against the student with the teacher's gradients (DAFL, DFAD 2019)",
            "kdkit_generators.adversarial:Adversarial",
        ),
    ]
