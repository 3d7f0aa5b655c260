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
        ),
        Entry(
            "recordings",
            "Real recordings of a folder: EchoNet, CAMUS, DICOM cines, plain clips",
            "kdkit_echocardio.recorded:Recordings",
        ),
        Entry(
            "echonet-synthetic",
            "Clips of EchoNet-Synthetic's diffusion model, from its folder",
            "kdkit_echocardio.recorded:EchoNetSynthetic",
        ),
        Entry(
            "echo-diffusion",
            "Clips sampled from a diffusion model in EchoNet-Synthetic's layout",
            "kdkit_echocardio.diffused:EchoDiffusion",
        ),
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
    overlap, surfaces, borders, area, ejection, timing, stability, calibration, label_free, echoclip = (
        f"kdkit_echocardio.metrics.{name}"
        for name in (
            "overlap",
            "surfaces",
            "borders",
            "area",
            "ejection",
            "timing",
            "stability",
            "calibration",
            "label_free",
            "echoclip",
        )
    )
    return [
        Entry("dice", "Dice coefficient at end-diastole and end-systole", f"{overlap}:Dice"),
        Entry("dice-ed", "Dice coefficient at end-diastole", f"{overlap}:DiceED"),
        Entry("dice-es", "Dice coefficient at end-systole", f"{overlap}:DiceES"),
        Entry("iou", "Intersection over union at end-diastole and end-systole", f"{overlap}:IoU"),
        Entry("dice-pooled", "Dice coefficient of all clips' pixels as one set (EchoNet)", f"{overlap}:PooledDice"),
        Entry("hd95", "95 % Hausdorff distance of the border, pixels", f"{surfaces}:Hausdorff95"),
        Entry("hd95-mm", "95 % Hausdorff distance of the border, mm", f"{surfaces}:Hausdorff95Millimetres"),
        Entry("msd", "Mean distance of the border, pixels", f"{surfaces}:MeanSurfaceDistance"),
        Entry("msd-mm", "Mean distance of the border, mm", f"{surfaces}:MeanSurfaceDistanceMillimetres"),
        Entry("border-bias", "Signed distance of a wall's border at ED or ES, pixels", f"{borders}:BorderBias"),
        Entry(
            "border-bias-mm", "Signed distance of a wall's border at ED or ES, mm", f"{borders}:BorderBiasMillimetres"
        ),
        Entry("border-spread", "Spread over clips of a wall's signed distance, pixels", f"{borders}:BorderSpread"),
        Entry(
            "border-spread-mm",
            "Spread over clips of a wall's signed distance, mm",
            f"{borders}:BorderSpreadMillimetres",
        ),
        Entry("area-error", "Relative difference of the area at ED and ES, absolute", f"{area}:AreaError"),
        Entry("area-bias", "Relative difference of the area at ED and ES, signed", f"{area}:AreaBias"),
        Entry(
            "ef-area-r",
            "Fractional area change as ejection fraction: correlation with the truth",
            f"{ejection}:AreaCorrelation",
        ),
        Entry(
            "ef-area-mae", "Fractional area change as ejection fraction: mean absolute error", f"{ejection}:AreaError"
        ),
        Entry("ef-area-bias", "Fractional area change as ejection fraction: mean difference", f"{ejection}:AreaBias"),
        Entry(
            "ef-area-r2",
            "Fractional area change as ejection fraction: coefficient of determination",
            f"{ejection}:AreaDetermination",
        ),
        Entry(
            "ef-area-rmse",
            "Fractional area change as ejection fraction: root mean square error",
            f"{ejection}:AreaRootMeanSquareError",
        ),
        Entry(
            "ef-area-auc",
            "Fractional area change as ejection fraction: AUC for a true one below 50 %",
            f"{ejection}:AreaReduced",
        ),
        Entry(
            "ef-discs-r", "Ejection fraction from discs: correlation with the truth", f"{ejection}:DiscsCorrelation"
        ),
        Entry("ef-discs-mae", "Ejection fraction from discs: mean absolute error", f"{ejection}:DiscsError"),
        Entry("ef-discs-bias", "Ejection fraction from discs: mean difference", f"{ejection}:DiscsBias"),
        Entry(
            "ef-discs-r2",
            "Ejection fraction from discs: coefficient of determination",
            f"{ejection}:DiscsDetermination",
        ),
        Entry(
            "ef-discs-rmse",
            "Ejection fraction from discs: root mean square error",
            f"{ejection}:DiscsRootMeanSquareError",
        ),
        Entry(
            "ef-discs-auc", "Ejection fraction from discs: AUC for a true one below 50 %", f"{ejection}:DiscsReduced"
        ),
        Entry("afd", "Distance of ED and ES found without the reference, frames", f"{timing}:AverageFrameDistance"),
        Entry("afd-ms", "Distance of ED and ES found without the reference, ms", f"{timing}:AverageTimeDistance"),
        Entry("missed-beats", "Share of reference ED and ES that were not found", f"{timing}:MissedBeats"),
        Entry("extra-beats", "Found ED and ES that the reference does not have", f"{timing}:ExtraBeats"),
        Entry(
            "afd-original", "Distance of ED and ES by EchoDFKD's own rule, frames", f"{timing}:OriginalFrameDistance"
        ),
        Entry("flicker", "Trembling of the area from frame to frame; needs no truth", f"{stability}:Flicker"),
        Entry("agreement", "Dice coefficient with the teacher over whole clips", f"{label_free}:TeacherAgreement"),
        Entry(
            "consistency",
            "Dice coefficient with oneself on the clip backwards, amplified, and noisy",
            f"{label_free}:SelfConsistency",
        ),
        Entry(
            "echoclip-score",
            "How well EchoCLIP finds what the masks leave of the frames",
            f"{echoclip}:EchoClipScore",
        ),
        Entry(
            "echoclip-phase",
            "Distance of ED and ES from those that EchoCLIP sees, frames",
            f"{echoclip}:EchoClipPhase",
        ),
        Entry("brier", "Mean squared error of the probability at ED and ES", f"{calibration}:Brier"),
        Entry("ece", "Expected calibration error of the probability at ED and ES", f"{calibration}:CalibrationError"),
    ]


@hookimpl
def kdkit_domains() -> list[Entry]:
    return [
        Entry(
            "echocardio",
            "Left ventricle in apical four-chamber ultrasound clips",
            "kdkit_echocardio.domain:Echocardio",
        ),
        Entry(
            "echocardio-paper",
            "EchoDFKD as published, with EchoNet's clips and teacher",
            "kdkit_echocardio.recipes:Paper",
        ),
        Entry(
            "echocardio-real",
            "Distillation on real clips without labels",
            "kdkit_echocardio.recipes:Real",
        ),
        Entry(
            "echocardio-adapted",
            "Self-training: simulated hearts and your own unlabelled clips",
            "kdkit_echocardio.recipes:Adapted",
        ),
    ]
