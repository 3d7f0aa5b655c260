"""The left ventricle's shape: tracings, areas, long axis, discs, volumes and ejection fractions.

Unless a function says otherwise, lengths are in pixels, areas in square pixels and volumes in cubic pixels: ejection
fractions are ratios, so pixels need no calibration as long as they are square.
"""

from __future__ import annotations

from .annotators import Agreement, Staple, agreement, majority, staple
from .biplane import biplane_ejection_fraction, biplane_volume
from .discs import DISCS, LongAxis, discs, long_axis, volume
from .ejection import area_ejection_fraction, discs_ejection_fraction, ejection_fraction
from .masks import THRESHOLD, Masks, area_curve, binarize, clean, largest_component
from .outlines import OrderedChords, crosses_itself, order_chords
from .polygons import chords_polygon, echonet_mask, polygon_mask
from .surfaces import hausdorff95, mean_surface_distance, surface_distances
from .walls import WALLS, border_errors

__all__ = [
    "DISCS",
    "THRESHOLD",
    "WALLS",
    "Agreement",
    "LongAxis",
    "Masks",
    "OrderedChords",
    "Staple",
    "agreement",
    "area_curve",
    "area_ejection_fraction",
    "binarize",
    "biplane_ejection_fraction",
    "biplane_volume",
    "border_errors",
    "chords_polygon",
    "clean",
    "crosses_itself",
    "discs",
    "discs_ejection_fraction",
    "echonet_mask",
    "ejection_fraction",
    "hausdorff95",
    "largest_component",
    "long_axis",
    "majority",
    "mean_surface_distance",
    "order_chords",
    "polygon_mask",
    "staple",
    "surface_distances",
    "volume",
]
