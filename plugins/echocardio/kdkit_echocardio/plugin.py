"""The hooks of the echocardiography plugin; nothing heavy is imported here."""

from __future__ import annotations

from kdkit import Entry, hookimpl


@hookimpl
def kdkit_generators() -> list[Entry]:
    return [
        Entry(
            "phantom",
            "Simulated apical four-chamber clips of a beating heart",
            "kdkit_echocardio.generator:Phantom",
        )
    ]


@hookimpl
def kdkit_teachers() -> list[Entry]:
    return [
        Entry(
            "deeplabv3",
            "DeepLabV3 for the left ventricle: embedded, or EchoNet-Dynamic's weights",
            "kdkit_echocardio.teacher:DeepLabV3",
        )
    ]


@hookimpl
def kdkit_students() -> list[Entry]:
    return [Entry("convlstm", "ConvLSTM U-shape that reads clips (EchoDFKD)", "kdkit_echocardio.student:ConvLSTM")]


@hookimpl
def kdkit_domains() -> list[Entry]:
    return [
        Entry(
            "echocardio",
            "Left ventricle in apical four-chamber ultrasound clips",
            "kdkit_echocardio.domain:Echocardio",
        )
    ]
