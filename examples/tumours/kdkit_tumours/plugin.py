"""The hooks of the tumours plugin; nothing heavy is imported here."""

from __future__ import annotations

from kdkit import Entry, hookimpl


@hookimpl
def kdkit_generators() -> list[Entry]:
    return [
        Entry("tumours-ranges", "Rows drawn from the ranges of the columns alone", "kdkit_tumours.ranges:Ranges"),
        Entry("tumours-test", "The held-out half of the real rows", "kdkit_tumours.real:HeldOut"),
    ]


@hookimpl
def kdkit_students() -> list[Entry]:
    return [Entry("tumours-mlp", "Two hidden layers", "kdkit_tumours.student:TumoursMLP")]


@hookimpl
def kdkit_metrics() -> list[Entry]:
    return [
        Entry("tumours-accuracy", "Share of rows given their true class", "kdkit_tumours.metrics:Accuracy"),
        Entry("tumours-auc", "Area under the ROC curve against the diagnosis", "kdkit_tumours.metrics:AUC"),
    ]


@hookimpl
def kdkit_domains() -> list[Entry]:
    return [Entry("tumours", "Breast tumours without a patient", "kdkit_tumours.domain:Tumours")]
