"""A metric of an author's, in a module of its own: its contract has other processes import it, and those of the tests
beside it are slow to import."""

import numpy as np

from kdkit import Metric


class OwnAgreement(Metric):
    """An author's metric beside the teacher, without examples of its own: mean difference of masks."""

    unit = ""
    higher_is_better = False
    needs_truth = False
    reads_teacher = True

    def measure(self, prediction, sample):
        teacher = sample.truth.get("teacher")
        if teacher is None or prediction.ndim != 3:
            return []
        return [(float(np.abs(prediction.astype(np.float32) - teacher).mean()),)]
