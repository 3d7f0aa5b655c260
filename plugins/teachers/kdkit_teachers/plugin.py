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
        ),
        Entry(
            "exported",
            "A network and its weights from one file: torch.export (.pt2) or TorchScript",
            "kdkit_teachers.exported:Exported",
        ),
        Entry("onnx", "A model from an ONNX file, run by onnxruntime", "kdkit_teachers.onnx:Onnx"),
        Entry("callable", "Your own installed class or function", "kdkit_teachers.callable:FromCallable"),
        Entry(
            "ensemble",
            "Several teachers as one, their disagreement kept as a weight",
            "kdkit_teachers.ensemble:Ensemble",
        ),
        Entry("remote", "A teacher behind kdkit serve-teacher: answers, not weights", "kdkit_teachers.remote:Remote"),
    ]
