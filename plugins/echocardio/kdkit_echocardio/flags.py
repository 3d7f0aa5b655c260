"""The words for what is doubtful about a clip, the same in every command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

FLAGS: Mapping[str, str] = MappingProxyType(
    {
        # What of the file was not believed.
        "frame-count": "the header declares another number of frames than there are; those that are there are read",
        "colour-space": "the header names another colour space than the pixels hold; the pixels are believed",
        "palette": "the palette is not as it is declared; its entries are believed",
        "window": "the stored window would leave hardly any contrast; the whole range of values is shown instead",
        "inverted": "the header says that black is white; the dark background is believed",
        "sign": "the header says wrongly whether pixel values are signed; the smoother picture is taken",
        "variable-rate": "frames follow each other unevenly; they were resampled by their time stamps",
        "frame-rate": "the file says fewer than 8 or more than 300 frames a second; beats and times rest on that",
        # What the pictures look like.
        "blank": "every pixel has nearly the same value",
        "nearly-blank": "hardly anything is brighter than the background",
        "saturated": "much of the picture is as bright as it can be",
        "no-sector": "nothing looks like the sector of an ultrasound picture",
        "colour": "most of what is bright is coloured: a tint, Doppler, or no ultrasound; it is read as grey",
        "narrow": "the picture is only a few pixels wide or high",
        "still": "nothing moves over the whole clip",
        "other-view": "it may not be an apical four-chamber view",
        # What the prediction looks like.
        "no-beat": "no heart beat is found in the ventricle's area",
        "heart-rate": "fewer than 30 or more than 220 beats a minute; the file's frame rate may be wrong",
        "implausible-area": "the ventricle fills hardly any or most of the sector, or is missing in some frames",
        "area-jump": "from one frame to the next the area changes more than a heart's can",
        "at-edge": "the ventricle's outline runs along the edge of the sector",
        "low-contrast": "the ventricle is hardly darker than what is around it",
        "trembles": "the ventricle's area trembles from frame to frame",
    }
)
"""Each word with its sentence."""

UNUSABLE = frozenset({"blank"})
"""Flags of clips that a run leaves out."""

WITHOUT_BEATS = frozenset({"blank", "still", "no-sector"})
"""Flags of clips that show no beating heart: neither beats nor ejection fractions are given for them."""


def join(flags: Iterable[str]) -> str:
    """The flags as they stand in a table: separated by blanks, in the order of :data:`FLAGS`."""
    words = set(flags)
    return " ".join(word for word in FLAGS if word in words)
