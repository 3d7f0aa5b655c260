"""The losses of samples that are made with a teacher; importing it loads torch.

Logits have their classes on the last axis.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def l1_distance(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of logits: the discrepancy of DFAD (Fang et al. 2019, arXiv:1912.11006, eq. 3)."""
    return (teacher - student).abs().mean()


def kl_distance(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    """KL(teacher ‖ student) of class distributions (Micaelli & Storkey 2019, arXiv:1905.09768, eq. 1)."""
    teacher_log, student_log = (F.log_softmax(logits.flatten(0, -2), dim=-1) for logits in (teacher, student))
    return F.kl_div(student_log, teacher_log, reduction="batchmean", log_target=True)


def one_hot(logits: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with the teacher's own most probable class: low for certain predictions.

    L_oh of DAFL (Chen et al. 2019, arXiv:1904.01186, eq. 3).
    """
    rows = logits.flatten(0, -2)
    return F.cross_entropy(rows, rows.argmax(dim=-1))


def imbalance(logits: torch.Tensor) -> torch.Tensor:
    """Minus the entropy of the mean class distribution: lowest where every class is as frequent.

    L_ie of DAFL (Chen et al. 2019, arXiv:1904.01186, eq. 5, which sums p log p over the classes).
    """
    mean = logits.flatten(0, -2).softmax(dim=-1).mean(0)
    return torch.xlogy(mean, mean).sum()


def activity(features: torch.Tensor) -> torch.Tensor:
    """Minus the mean absolute value of features: low where the teacher finds what it knows.

    L_a of DAFL (Chen et al. 2019, arXiv:1904.01186, eq. 4), as a mean: its weight does not depend on the width.
    """
    return -features.abs().mean()


def total_variation(inputs: torch.Tensor, axes: tuple[int, int]) -> torch.Tensor:
    """Mean squared difference of neighbours along both axes, of inputs scaled to 0..1.

    R_TV of DeepInversion (Yin et al. 2020, arXiv:1912.08795), as a mean.
    """
    return sum((inputs.diff(dim=axis).square().mean() for axis in axes), inputs.new_zeros(()))


def doubt(logits: torch.Tensor) -> torch.Tensor:
    """Mean binary entropy of each value's probability, in nats: low for certain masks."""
    return (F.softplus(-logits) + (1 - logits.sigmoid()) * logits).mean()
