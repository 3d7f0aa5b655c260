"""What the core itself registers, through the same hooks as any plugin."""

from __future__ import annotations

from kdkit.entry import Entry
from kdkit.hookspecs import hookimpl


@hookimpl
def kdkit_objectives() -> list[Entry]:
    return [
        Entry(
            "soft-bce",
            "Binary cross-entropy against the teacher's probabilities",
            "kdkit.objectives.soft_bce:SoftBCE",
        ),
        Entry(
            "kl",
            "Kullback-Leibler divergence of softened class distributions (Hinton 2015)",
            "kdkit.objectives.kl:KL",
        ),
        Entry("mse", "Mean squared difference of logits or values", "kdkit.objectives.mse:MSE"),
        Entry(
            "soft-dice",
            "One minus the soft Dice overlap with the teacher's probabilities (Milletari 2016)",
            "kdkit.objectives.soft_dice:SoftDice",
        ),
        Entry(
            "hint",
            "Mean squared difference of features through a learned adapter (FitNets, Romero 2015)",
            "kdkit.objectives.hint:Hint",
        ),
        Entry(
            "attention",
            "Distance of the attention maps of features (Zagoruyko & Komodakis 2017)",
            "kdkit.objectives.attention:Attention",
        ),
    ]


# Agreement with the teacher, which needs no label.
_AGREEMENT = (
    ("accuracy", "Share of positions given the teacher's class", "Accuracy"),
    ("f1", "F1 score of the teacher's classes (macro), or of the positive one", "F1"),
    ("kappa", "Cohen's kappa with the teacher's classes", "Kappa"),
    ("auc", "Area under the ROC curve of the teacher's decisions", "AreaUnderCurve"),
    ("top-k", "Share of positions whose class by the teacher is among the k most probable", "TopK"),
    ("kl", "Kullback-Leibler divergence from the teacher's distribution", "Divergence"),
    ("ece", "Expected calibration error against the teacher's decisions", "Calibration"),
    ("rmse", "Root mean square difference from the teacher's values", "RootMeanSquareError"),
    ("r2", "Coefficient of determination of the teacher's values", "Determination"),
)


@hookimpl
def kdkit_metrics() -> list[Entry]:
    return [
        Entry(
            "clip-score",
            "What a vision-language model sees when the masks are black",
            "kdkit.metrics.vision_language:ClipScore",
        ),
        Entry(
            "clip-agreement",
            "Share of samples given the class that a vision-language model sees",
            "kdkit.metrics.vision_language:ClipAgreement",
        ),
        *(Entry(f"teacher-{name}", summary, f"kdkit.metrics.agreement:{cls}") for name, summary, cls in _AGREEMENT),
    ]
