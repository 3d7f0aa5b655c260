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
def kdkit_metrics() -> list[Entry]:
    overlap, ejection, timing = (f"kdkit_echocardio.metrics.{name}" for name in ("overlap", "ejection", "timing"))
    return [
        Entry("dice", "Dice coefficient at end-diastole and end-systole", f"{overlap}:Dice"),
        Entry("dice-ed", "Dice coefficient at end-diastole", f"{overlap}:DiceED"),
        Entry("dice-es", "Dice coefficient at end-systole", f"{overlap}:DiceES"),
        Entry("iou", "Intersection over union at end-diastole and end-systole", f"{overlap}:IoU"),
        Entry("ef-area-r", "Ejection fraction from areas: correlation with the truth", f"{ejection}:AreaCorrelation"),
        Entry("ef-area-mae", "Ejection fraction from areas: mean absolute error", f"{ejection}:AreaError"),
        Entry("ef-area-bias", "Ejection fraction from areas: mean difference", f"{ejection}:AreaBias"),
        Entry(
            "ef-discs-r", "Ejection fraction from discs: correlation with the truth", f"{ejection}:DiscsCorrelation"
        ),
        Entry("ef-discs-mae", "Ejection fraction from discs: mean absolute error", f"{ejection}:DiscsError"),
        Entry("ef-discs-bias", "Ejection fraction from discs: mean difference", f"{ejection}:DiscsBias"),
        Entry("afd", "Distance of ED and ES found without the reference, frames", f"{timing}:AverageFrameDistance"),
        Entry("afd-ms", "Distance of ED and ES found without the reference, ms", f"{timing}:AverageTimeDistance"),
        Entry("missed-beats", "Share of reference ED and ES that were not found", f"{timing}:MissedBeats"),
        Entry("extra-beats", "Found ED and ES that the reference does not have", f"{timing}:ExtraBeats"),
        Entry(
            "afd-original", "Distance of ED and ES by EchoDFKD's own rule, frames", f"{timing}:OriginalFrameDistance"
        ),
    ]


@hookimpl
def kdkit_domains() -> list[Entry]:
    return [
        Entry(
            "echocardio",
            "Left ventricle in apical four-chamber ultrasound clips",
            "kdkit_echocardio.domain:Echocardio",
        )
    ]
