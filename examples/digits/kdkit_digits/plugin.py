"""The hooks of the digits plugin; nothing heavy is imported here."""

from __future__ import annotations

from kdkit import Entry, hookimpl


@hookimpl
def kdkit_generators() -> list[Entry]:
    return [
        Entry("digits-strokes", "Random pen strokes, as small as the digits", "kdkit_digits.strokes:Strokes"),
        Entry(
            "digits-unlabelled",
            "The real digits of the training half, without labels",
            "kdkit_digits.real:Unlabelled",
        ),
        Entry("digits-test", "The real held-out digits, with their labels", "kdkit_digits.real:HeldOut"),
    ]


@hookimpl
def kdkit_teachers() -> list[Entry]:
    return [Entry("digits-cnn", "A convolutional network trained on real digits", "kdkit_digits.teacher:DigitsCNN")]


@hookimpl
def kdkit_students() -> list[Entry]:
    return [
        Entry("digits-small", "A convolutional network of a quarter the size", "kdkit_digits.student:DigitsSmall")
    ]


@hookimpl
def kdkit_metrics() -> list[Entry]:
    return [Entry("accuracy", "Share of samples given their true class", "kdkit_digits.metric:Accuracy")]


@hookimpl
def kdkit_domains() -> list[Entry]:
    return [Entry("digits", "Handwritten digits without a single digit", "kdkit_digits.domain:Digits")]
