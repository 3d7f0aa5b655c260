"""Further recipes of echocardiography: each a domain of its own name, so that ``kdkit run`` finds it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .domain import Echocardio

_FOLDER = Path(__file__).parent


class Paper(Echocardio):
    """EchoDFKD as published (Petit et al., WACV 2025): EchoNet-Synthetic's clips, EchoNet-Dynamic's teacher and test.

    Needs both data sets and the teacher's weights: ``$ECHONET_SYNTHETIC``, ``$ECHONET_DYNAMIC`` and
    ``$ECHONET_WEIGHTS``.
    """

    reproduces = "EchoDFKD (Petit et al., WACV 2025)"
    deviations = (
        "Students are trained on every pixel of 112 x 112; the original trains on every second one.",
        "Targets keep the teacher's probabilities in steps of 1/255; the original cuts logits down to whole numbers.",
        "Validation windows are fixed; the original draws them anew in every epoch, and seeds nothing.",
        "Scores are at the probability 0.5, over every annotator; the original cuts at 80/255 and takes the first.",
        "The published figures were read off a plot, so their third digit is uncertain.",
    )

    @classmethod
    def recipe_file(cls) -> Path:
        """``recipe-paper.yaml``."""
        return _FOLDER / "recipe-paper.yaml"

    @classmethod
    def example_settings(cls, folder: Path) -> Sequence[str]:
        """Simulated clips in the layouts of both data sets, the embedded teacher, and a small student."""
        from .example_data import write_echonet
        from .recorded import EchoNetSynthetic

        synthetic = EchoNetSynthetic.example_options(folder / "synthetic")["path"]
        real = write_echonet(folder / "dynamic", clips=4)
        return [
            f"generator.path={synthetic}",
            f"evaluation.generator.path={real}",
            "teacher.weights=null",
            "student.blocks=1",
            "training.window=8",
        ]


class Real(Echocardio):
    """Distillation on real clips without labels: those of any folder, labelled by a teacher for real clips.

    Needs the folder and the teacher's weights: ``$ECHOCARDIO_CLIPS`` and ``$ECHONET_WEIGHTS``.
    """

    @classmethod
    def recipe_file(cls) -> Path:
        """``recipe-real.yaml``."""
        return _FOLDER / "recipe-real.yaml"

    @classmethod
    def example_settings(cls, folder: Path) -> Sequence[str]:
        """Simulated clips as files without labels, and the embedded teacher."""
        from .example_data import write_clips

        return [f"generator.path={write_clips(folder / 'clips')}", "teacher.weights=null", "training.window=8"]


class Adapted(Echocardio):
    """Self-training: simulated hearts and unlabelled clips of your own, both labelled by the embedded teacher.

    Needs the folder: ``$ECHOCARDIO_CLIPS``.
    """

    @classmethod
    def recipe_file(cls) -> Path:
        """``recipe-adapted.yaml``."""
        return _FOLDER / "recipe-adapted.yaml"

    @classmethod
    def example_settings(cls, folder: Path) -> Sequence[str]:
        """Simulated clips as files without labels."""
        from .example_data import write_clips

        return [f"generator.members.1.path={write_clips(folder / 'clips')}"]
