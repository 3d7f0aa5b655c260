"""Models' predictions on recordings, kept so that another metric does not run the networks again."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from kdkit.atomic import write_bytes
from kdkit.contracts.vocabulary import Activation
from kdkit.errors import DataError
from kdkit.limits import bytes_from_environment
from kdkit.sample import Sample
from kdkit.store.targets import decode_prediction, encode_prediction

VARIABLE = "KDKIT_KEPT_PREDICTIONS"
_MOST_BYTES = 20 * 10**9
_ENCODED, _PLAIN = "encoded", "prediction"


class PredictionCache:
    """A file for each model and sample, below ``root``: ``MODEL/SAMPLE.npz``, both by their fingerprints.

    A sample is known by its inputs and what it says of itself. A damaged file counts as not there. A file's time of
    change is when it was last used.
    """

    def __init__(self, root: Path, models: Mapping[str, str], activation: Activation) -> None:
        """``models``: from what a model is called to its fingerprint.

        Raises :class:`kdkit.KdkitError` when ``KDKIT_KEPT_PREDICTIONS`` is no size.
        """
        self.root = root
        self.most_bytes = bytes_from_environment(VARIABLE, _MOST_BYTES)
        self.models = models
        self.activation: Activation = activation

    def is_empty(self) -> bool:
        """Whether some model has no prediction at all, so that nothing can be measured without the networks."""
        return not all(any((self.root / name).glob("*.npz")) for name in self.models.values())

    def read(self, sample: Sample) -> dict[str, np.ndarray] | None:
        """Each model's prediction, float32; None where one is missing."""
        key = _key(sample)
        predictions = {}
        for model in self.models:
            prediction = self._read(self._path(model, key))
            if prediction is None:
                return None
            predictions[model] = prediction
        return predictions

    def write(self, sample: Sample, predictions: Mapping[str, np.ndarray]) -> None:
        """Keep the predictions, exactly. Raises :class:`kdkit.StoreError` when the disk is full."""
        key = _key(sample)
        for model, prediction in predictions.items():
            archive = io.BytesIO()
            name, array = self._encode(prediction)
            np.savez_compressed(archive, allow_pickle=False, **{name: array})
            write_bytes(self._path(model, key), archive.getvalue())

    def trim(self) -> None:
        """Remove what was not used for longest, of any model, until the rest takes no more than it may.

        That is ``KDKIT_KEPT_PREDICTIONS`` (500MB, 8GB, ...), or 20 GB.
        """
        files = []
        for path in self.root.glob("*/*.npz"):
            with suppress(OSError):  # another process has just removed it
                status = path.stat()
                files.append((status.st_mtime_ns, status.st_size, path))
        excess = sum(size for _, size, _ in files) - self.most_bytes
        for _, size, path in sorted(files):
            if excess <= 0:
                break
            with suppress(OSError):
                path.unlink()
            excess -= size

    def _path(self, model: str, key: str) -> Path:
        return self.root / self.models[model] / f"{key}.npz"

    def _encode(self, prediction: np.ndarray) -> tuple[str, np.ndarray]:
        """As small as it can be kept without a change: a domain may give what no network's logits stand for."""
        if self.activation == "sigmoid":
            try:
                encoded = encode_prediction(prediction, self.activation)
            except DataError:
                return _PLAIN, prediction
            if np.array_equal(decode_prediction(encoded, self.activation), prediction):
                return _ENCODED, encoded
        return _PLAIN, prediction

    def _read(self, path: Path) -> np.ndarray | None:
        try:
            with np.load(path, allow_pickle=False) as archive:
                is_plain = _PLAIN in archive
                values = np.asarray(archive[_PLAIN if is_plain else _ENCODED])
                prediction = values if is_plain else decode_prediction(values, self.activation)
        except Exception:  # there is no end to what zipfile, zlib and numpy raise for a damaged file
            return None
        with suppress(OSError):  # a store that is only read keeps its order
            os.utime(path)
        return prediction


def _key(sample: Sample) -> str:
    inputs = np.ascontiguousarray(sample.inputs)
    info = json.dumps(dict(sample.info), sort_keys=True, default=str)
    digest = hashlib.sha256(f"{inputs.dtype} {inputs.shape} {info}".encode(errors="surrogateescape"))
    digest.update(inputs.data)
    return digest.hexdigest()[:40]
