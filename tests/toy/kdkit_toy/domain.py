import io
from pathlib import Path

import numpy as np
from PIL import Image

from kdkit import (
    AlignedAxis,
    ComponentOptions,
    DataError,
    Defect,
    Domain,
    Figure,
    Generator,
    Inspection,
    Sample,
    Table,
)


class Folder(Generator):
    """The clips ``NAME.npy`` in a folder, each with the mask ``NAME.mask``, if there is one, as its truth."""

    synthetic = False

    class Options(ComponentOptions):
        path: str
        split: str | None = None

    def count(self):
        return len(self.paths)

    @property
    def paths(self):
        files = sorted(Path(self.options.path).glob("*.npy"))
        return [p for p in files if p.stat().st_size and p.name.startswith(self.options.split or "")]

    def exclusions(self):
        empty = [p for p in sorted(Path(self.options.path).glob("*.npy")) if not p.stat().st_size]
        return [Defect("empty-file", p.stem, "0 bytes", dropped=True) for p in empty]

    def generate(self, indices):
        for index in indices:
            path = self.paths[index]
            try:
                truth = {"mask": np.load(path.with_suffix(".mask"))} if path.with_suffix(".mask").exists() else {}
                yield Sample(np.load(path), truth, {"name": path.stem})
            except ValueError as error:
                raise DataError(f"{path}: {error}") from error


class Toy(Domain):
    """Discs."""

    activation = "sigmoid"
    aligned_axes = (AlignedAxis(),)
    item = "frame"
    input_suffixes = (".npy",)

    def items(self, sample):
        return len(sample.inputs)

    def read(self, path):
        try:
            return Sample(np.load(path), info={"name": path.stem})
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: {error}") from error

    def write(self, path, sample, prediction, stem):
        super().write(path, sample, prediction, stem)
        return {"frames": len(prediction), "area": round(float((prediction >= 0.5).mean()), 4)}

    def source(self, path, layout, split):
        if not path.is_dir():
            raise DataError(f"{path} is no folder")
        if not any(path.glob("*.npy")):
            raise DataError(f"{path} holds no .npy file")
        return Folder(Folder.Options(path=str(path), split=split))

    def check_data(self, path, layout, progress):
        source = self.source(path, layout, None)
        with progress.work("check", "npy", source.count(), "clips") as bar:
            frames = []
            for sample in source.generate(range(source.count())):
                frames.append(len(sample.inputs))
                bar.advance()
        unlabelled = Defect("no-mask", "a", "has no mask", dropped=False)
        return Inspection(
            used=source.count(),
            facts={"layout": layout, "clips": source.count()},
            tables=[Table("Frames", ("least", "most"), [[min(frames), max(frames)]])],
            defects=[*source.exclusions(), unlabelled],
            pictures=list(self.figures([])),
        )

    def predict(self, sample, infer):
        # Frame by frame: a prediction that differs from that for the clip only in how it is made.
        return np.concatenate(infer([frame[None] for frame in sample.inputs]))

    def target_from_truth(self, sample):
        return sample.truth["mask"].astype(np.float32) if "mask" in sample.truth else None

    def strata(self, sample):
        return {"long" if len(sample.inputs) > 4 else "short": sample}

    def sheet(self, samples):
        return np.concatenate([np.repeat(s.inputs[0][..., None], 3, 2) for s in samples], 1)

    def figures(self, cases):
        for case in cases:
            svg = b"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/>"
            yield Figure(f"{case.rank} case", f"{case.score:.3f}", "image/svg+xml", svg)
            png = io.BytesIO()
            Image.fromarray(case.sample.inputs[0]).save(png, "PNG")
            yield Figure(f"{case.rank} case", "first frame", "image/png", png.getvalue())
