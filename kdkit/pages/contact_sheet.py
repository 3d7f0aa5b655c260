"""Many pictures on one."""

from __future__ import annotations

import io
from collections.abc import Iterable

from kdkit.contracts.vocabulary import Figure

_COLUMNS, _GAP = 2, 12
_GROUND = (16, 16, 16)


def contact_sheet(figures: Iterable[Figure]) -> bytes | None:
    """The PNG pictures among the figures on one PNG, in rows of two; None when there are none."""
    from PIL import Image

    pictures = [Image.open(io.BytesIO(figure.data)) for figure in figures if figure.media_type == "image/png"]
    if not pictures:
        return None
    width, height = (max(picture.size[axis] for picture in pictures) + _GAP for axis in (0, 1))
    columns = min(_COLUMNS, len(pictures))
    page = Image.new("RGB", (columns * width - _GAP, -(-len(pictures) // columns) * height - _GAP), _GROUND)
    for number, picture in enumerate(pictures):
        page.paste(picture.convert("RGB"), (number % columns * width, number // columns * height))
    data = io.BytesIO()
    page.save(data, "PNG", optimize=True)
    return data.getvalue()
