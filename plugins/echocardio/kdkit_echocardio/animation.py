"""A short moving picture of one case."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from kdkit import Case

from .drawing import blank, colour_of, enlarged, outline, write, write_parts
from .events import rate_of, true_mask

_SIDE, _LABEL = 240, 24
_MOST_BYTES = 400_000
_QUALITIES = (80, 60, 40, 20)


def animation(case: Case, model: str) -> bytes:
    """The clip, and next to it the clip with the truth shaded and the ``model``'s contour: an endless animated WebP.

    It plays at the clip's own speed, and its quality is lowered until it takes less than 400 kB.
    """
    first, *later_pages = [Image.fromarray(_page(case, model, frame)) for frame in range(len(case.sample.inputs))]
    gif_options = {
        "save_all": True,
        "append_images": later_pages,
        "loop": 0,
        "duration": round(1000 / rate_of(case.sample)),
    }
    data = b""
    for quality in _QUALITIES:
        target = io.BytesIO()
        first.save(target, "WEBP", quality=quality, method=2, **gif_options)
        data = target.getvalue()
        if len(data) < _MOST_BYTES:
            break
    return data


def _page(case: Case, model: str, frame: int) -> np.ndarray:
    plain = enlarged(case.sample.inputs[frame], _SIDE, _SIDE)
    outlined = plain.copy()
    mask = true_mask(case.sample, frame)
    legend = [(model, colour_of(model))]
    if mask is not None:
        outline(outlined, mask, colour_of("truth"), thickness=0, fill=0.4)
        legend += [("   truth", colour_of("truth"))]
    outline(outlined, case.predictions[model][frame], colour_of(model))
    head = blank(_LABEL, 2 * _SIDE)
    write(head, 6, 4, f"{frame / rate_of(case.sample):.2f} s")
    write_parts(head, _SIDE + 6, 4, legend)
    return np.concatenate([head, np.concatenate([plain, outlined], 1)])
