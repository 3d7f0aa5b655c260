"""A student's weights alone, with what they are in the header of the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdkit.atomic import digest_of, write_bytes, write_sealed
from kdkit.export.check import Agreement, compare_file
from kdkit.export.job import Job
from kdkit.plugins.calls import call
from kdkit.runs.student import CARD, WEIGHTS
from kdkit.store.weights import fit_state, read_state


def write_weights(job: Job, folder: Path) -> dict[str, Agreement]:
    """Write ``weights.safetensors``, its metadata and the card; loaded into a new network, it is compared."""
    import torch
    from safetensors.torch import save

    path, student = folder / WEIGHTS, job.student
    state = {name: tensor.clone().contiguous() for name, tensor in student.network.state_dict().items()}
    write_bytes(path, save(state, metadata=dict(job.metadata)))
    write_sealed(folder / CARD, student.card | {"weights_sha256": digest_of(path)})
    with torch.random.fork_rng(devices=[]):
        network = call(student.component.build).eval().requires_grad_(False)
    fit_state(network, read_state(path), str(path))

    def infer(inputs: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(inputs)).float().numpy()

    return {path.name: compare_file(path.name, infer, student.network, job.windows, job.axes)}
