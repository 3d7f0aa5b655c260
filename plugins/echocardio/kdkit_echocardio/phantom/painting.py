"""Echogenicity of the tissues: every structure painted over the last, in decibels, into a Cartesian map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from .anatomy import CONTOUR_STEPS, Anatomy
from .geometry import ATRIUM_POINTS, HeartMotion, normals
from .noise import smooth_profile
from .view import View

CANVAS = 256
"""Height of the map in pixels; its width is the same."""
DB_STEP = 0.4
DB_FLOOR = -70.0
"""Level 0 of the map is empty; level v is DB_FLOOR + DB_STEP v decibels above ordinary myocardium."""
_BITS = 4


@dataclass(frozen=True)
class Tissue:
    """Backscatter levels in dB relative to ordinary myocardium, and which optional structures show."""

    blood: float
    wall: list[float]
    """Along the contour: 2 * CONTOUR_STEPS values."""
    endocardium: list[float]
    compact_line: bool
    """Whether the endocardial line lies where the compact wall begins; else at the trabecular tips."""
    pericardium: list[float]
    pericardium_width: float
    septum: list[float]
    """Interface of the septum with the right ventricle."""
    midwall: list[float]
    """Stripe where the fibres of the septum turn."""
    outside: float
    right_wall: float
    atrial_wall: float
    leaflet: float
    leaflet_patches: tuple[float, ...]
    """What the halves of each leaflet differ from that level: hinge and tip of the anterior, then of the other."""
    leaflet_tip: float
    """How much brighter than the leaflets their tips are."""
    annulus: float
    papillary: float
    trabecula: float
    meshwork: list[float]
    """Of the trabeculated part of the wall at end-diastole, along the contour."""
    compaction: list[float]
    """Share of the blood between trabeculae that systole squeezes out, along the contour: 0 to 1."""
    posterior: float
    posterior_offset: float
    posterior_width: float
    lung: float
    specular: float
    """How much brighter interfaces square to the beam are than those along it, dB."""
    tendon: tuple[int, int] | None
    """Points of the contour between which a false tendon is stretched."""
    chordae: bool


def draw_tissue(rng: np.random.Generator) -> Tissue:
    """Draw the levels; the wall's is log-uniform from as dark as blood to bright.

    Blood lies 20 to 45 dB below myocardium at 2 to 4 MHz (Shung and Thieme, Ultrasonic Scattering in
    Biological Tissues, 1993), but clutter fills the cavity of real pictures, so the contrast drawn here
    starts at nothing.
    """
    blood = rng.uniform(-38.0, -12.0)
    wall = blood + rng.uniform(5.0, 34.0)
    points = 2 * CONTOUR_STEPS
    profile = wall + rng.uniform(0.5, 6.0) * smooth_profile(rng, points, 6)
    profile[:CONTOUR_STEPS] += rng.uniform(0.0, 10.0)
    apical = np.exp(-((np.linspace(-1.0, 1.0, points) / 0.3) ** 2))
    profile -= rng.uniform(0.0, 8.0) * apical
    dropout = np.zeros(points)
    lateral = np.arange(points) - rng.uniform(CONTOUR_STEPS, points)
    if rng.random() < 0.5:
        dropout = rng.uniform(2.0, 22.0) * np.exp(-((lateral / rng.uniform(3.0, 12.0)) ** 2))
        profile -= dropout
    line = profile + rng.uniform(-4.0, 9.0) + rng.uniform(1.0, 6.0) * smooth_profile(rng, points, 18)
    pericardium = (
        max(wall, blood + 6.0) + rng.uniform(0.0, 18.0) + rng.uniform(2.0, 9.0) * smooth_profile(rng, points, 8)
    )
    if rng.random() < 0.5:
        # Lung over the lateral wall hides what lies behind it as well.
        pericardium -= dropout
    pericardium[: CONTOUR_STEPS - 4] = DB_FLOOR
    # The septum is a layered structure: bright on both faces, often with a bright stripe between.
    septum = profile + rng.uniform(-2.0, 14.0) + rng.uniform(1.0, 6.0) * smooth_profile(rng, points, 12)
    septum[CONTOUR_STEPS:] = DB_FLOOR
    midwall = profile + rng.uniform(1.0, 10.0) + rng.uniform(1.0, 6.0) * smooth_profile(rng, points, 12)
    midwall[CONTOUR_STEPS:] = DB_FLOOR
    # The blood between trabeculae darkens the meshwork, down to blood itself.
    meshwork = profile - rng.uniform(0.0, 1.0) * (profile - blood)
    meshwork += rng.uniform(0.5, 6.0) * smooth_profile(rng, points, 22)
    compaction = rng.uniform(0.5, 1.0) * (1.0 - rng.uniform(0.4, 1.0) * apical)
    absent = [DB_FLOOR] * points
    return Tissue(
        blood=blood,
        wall=profile.tolist(),
        endocardium=line.tolist() if rng.random() < 0.75 else absent,
        compact_line=bool(rng.random() < 0.4),
        pericardium=pericardium.tolist() if rng.random() < 0.85 else absent,
        pericardium_width=rng.uniform(1.5, 6.0),
        septum=septum.tolist() if rng.random() < 0.65 else absent,
        midwall=midwall.tolist() if rng.random() < 0.3 else absent,
        outside=wall + rng.uniform(-10.0, 8.0) if rng.random() < 0.5 else blood + rng.uniform(-6.0, 24.0),
        right_wall=wall + rng.uniform(-8.0, 8.0),
        atrial_wall=wall + rng.uniform(-8.0, 8.0),
        leaflet=wall + rng.uniform(-6.0, 14.0),
        leaflet_patches=tuple((rng.uniform(0.0, 8.0) * rng.standard_normal(4)).tolist()),
        leaflet_tip=rng.uniform(-2.0, 8.0),
        annulus=wall + rng.uniform(-10.0, 16.0),
        papillary=wall + rng.uniform(-8.0, 5.0),
        trabecula=rng.uniform(-12.0, 2.0),
        meshwork=meshwork.tolist(),
        compaction=compaction.tolist(),
        posterior=wall + rng.uniform(4.0, 22.0) if rng.random() < 0.7 else DB_FLOOR,
        posterior_offset=rng.uniform(0.0, 8.0),
        posterior_width=rng.uniform(4.0, 16.0),
        lung=blood + rng.uniform(-8.0, 25.0) if rng.random() < 0.5 else DB_FLOOR,
        specular=rng.uniform(0.0, 14.0),
        tendon=(int(rng.integers(6, 20)), int(rng.integers(28, 42))) if rng.random() < 0.15 else None,
        chordae=bool(rng.random() < 0.5),
    )


def level(decibel: float) -> tuple[int]:
    """The map's value for a backscatter level in dB."""
    return (min(max(round((decibel - DB_FLOOR) / DB_STEP), 0), 255),)


def levels(decibels: Iterable[float]) -> list[tuple[int]]:
    return [level(decibel) for decibel in decibels]


class Painter:
    """Paints the echogenicity maps of one clip."""

    def __init__(self, anatomy: Anatomy, tissue: Tissue, heart: HeartMotion, view: View, opening: np.ndarray) -> None:
        self.anatomy, self.tissue, self.view, self.opening = anatomy, tissue, view, opening
        self.resolution = view.depth / CANVAS
        self.endocardium = heart.endocardium
        # People trace a smooth line near the trabecular tips (Mor-Avi et al., JACC Cardiovasc Imaging
        # 2008;1:413-423): blood reaches beyond it between trabeculae, and they across it into the cavity.
        shrink = 1.0 - 0.35 * heart.activation[:, None]
        inward = (anatomy.trabecula * shrink)[..., None]
        self.lumen = heart.endocardium - normals(heart.endocardium) * inward
        self.heart = heart
        mirror = self._specular(heart.endocardium[0])
        self.wall, self.septum, self.midwall = (levels(line) for line in (tissue.wall, tissue.septum, tissue.midwall))
        self.trabecula = levels([wall + tissue.trabecula for wall in tissue.wall])
        self.endocardial_line = levels(_brighten(tissue.endocardium, mirror))
        self.pericardium = levels(_brighten(tissue.pericardium, mirror))

    def to_canvas(self, points: np.ndarray) -> np.ndarray:
        """Probe frame (mm) to the map's pixels: (..., 2)."""
        return points / self.resolution + np.array([CANVAS / 2, 0.0])

    def _fixed(self, points: np.ndarray) -> np.ndarray:
        canvas = self.to_canvas(self.view.to_probe(points))
        return np.rint(np.clip(canvas, -600, 1200) * (1 << _BITS)).astype(np.int32)

    def _specular(self, outlines: np.ndarray) -> np.ndarray:
        """Gain in dB of each point's interface, (..., points): it mirrors where its normal lies along the beam."""
        points = self.view.to_probe(outlines)
        beam = points / np.linalg.norm(points, axis=-1, keepdims=True)
        cosine = (normals(points) * beam).sum(axis=-1)
        return np.asarray(self.tissue.specular * (cosine**2 - 0.5))

    def paint(self, frame: int) -> np.ndarray:
        """The map of one frame: uint8 (CANVAS, CANVAS), DB_STEP above DB_FLOOR; 0 in blood."""
        tissue, anatomy, heart = self.tissue, self.anatomy, self.heart
        canvas = np.full((CANVAS, CANVAS), level(tissue.outside)[0], np.uint8)
        endo, epi = self._fixed(self.endocardium[frame]), self._fixed(heart.epicardium[frame])
        right = self._fixed(heart.right_ventricle[frame])
        left_atrium, right_atrium = (
            self._fixed(heart.left_atrium[frame]),
            self._fixed(heart.right_atrium[frame]),
        )

        side = self.endocardium[frame][CONTOUR_STEPS:]
        lung_outline = np.vstack([side, side[-1] + np.array([300.0, 120.0]), side[0] + np.array([300.0, -120.0])])
        if tissue.lung > DB_FLOOR:
            cv2.fillPoly(canvas, [self._fixed(lung_outline)], level(tissue.lung), cv2.LINE_8, _BITS)
        if tissue.posterior > DB_FLOOR:
            width = anatomy.atrial_wall + 2.0 * (tissue.posterior_offset + tissue.posterior_width)
            for atrium in (left_atrium, right_atrium):
                roof = atrium[ATRIUM_POINTS // 4 : -ATRIUM_POINTS // 4]
                self._stroke(canvas, roof, width, tissue.posterior)
        for cavity in (left_atrium, right_atrium):
            self._stroke(canvas, cavity, 2.0 * anatomy.atrial_wall, tissue.atrial_wall, closed=True)
        self._stroke(canvas, right, 2.0 * anatomy.rv_wall, tissue.right_wall, closed=True)
        self._profile(canvas, epi, 2.0 * tissue.pericardium_width, self.pericardium)

        for index, quad in enumerate(_quads(endo, epi)):
            cv2.fillPoly(canvas, [quad], self.wall[index], cv2.LINE_8, _BITS)
        # Systole presses the trabeculae together into a layer that looks solid, and thinner than they were.
        loose = 1.0 - np.array(tissue.compaction) * np.clip(heart.activation[frame], 0.0, 1.0)
        share = anatomy.trabeculated * (0.5 + 0.5 * loose)
        compact = endo + np.rint((epi - endo) * share[:, None]).astype(np.int32)
        for index, quad in enumerate(_quads(endo, compact)):
            if share[index] > 0:
                decibel = tissue.wall[index] + loose[index] * (tissue.meshwork[index] - tissue.wall[index])
                cv2.fillPoly(canvas, [quad], level(decibel), cv2.LINE_8, _BITS)
        self._profile(canvas, (endo + epi) // 2, 1.5, self.midwall)
        for cavity in (right, left_atrium, right_atrium):
            cv2.fillPoly(canvas, [cavity], (0,), cv2.LINE_8, _BITS)
        if anatomy.moderator_band > 0:
            self._moderator_band(canvas, right)
        self._profile(canvas, epi, 2.0, self.septum)
        self._trabeculated_cavity(canvas, frame, endo)
        line = compact if tissue.compact_line else self._fixed(self.lumen[frame])
        self._profile(canvas, line, 1.2, self.endocardial_line)
        self._papillaries(canvas, frame)
        if tissue.tendon is not None:
            ends = self._fixed(self.lumen[frame][list(tissue.tendon)])
            self._stroke(canvas, ends, 1.0, tissue.papillary)
        self._valve(canvas, heart.mitral_annulus[frame], float(self.opening[frame]), tissue.chordae)
        self._valve(canvas, heart.tricuspid_annulus[frame][::-1], float(self.opening[frame]), False)
        return canvas

    def _stroke(
        self, canvas: np.ndarray, points: np.ndarray, width: float, decibel: float, closed: bool = False
    ) -> None:
        thickness = max(1, round(width / self.resolution))
        cv2.polylines(canvas, [points], closed, level(decibel), thickness, cv2.LINE_8, _BITS)

    def _profile(self, canvas: np.ndarray, points: np.ndarray, width: float, values: list[tuple[int]]) -> None:
        """An open line whose level changes along it; where it is 0, there is none."""
        thickness = max(1, round(width / self.resolution))
        corners = points.tolist()
        for index in range(len(points) - 1):
            if values[index] != (0,):
                cv2.line(canvas, corners[index], corners[index + 1], values[index], thickness, cv2.LINE_8, _BITS)

    def _trabeculated_cavity(self, canvas: np.ndarray, frame: int, endo: np.ndarray) -> None:
        lumen = self._fixed(self.lumen[frame])
        cv2.fillPoly(canvas, [endo], (0,), cv2.LINE_8, _BITS)
        for index, quad in enumerate(_quads(endo, lumen)):
            reach = self.anatomy.trabecula[index]
            if reach > 0.3:
                cv2.fillPoly(canvas, [quad], self.trabecula[index], cv2.LINE_8, _BITS)
            elif reach < -0.3:
                cv2.fillPoly(canvas, [quad], (0,), cv2.LINE_8, _BITS)

    def _papillaries(self, canvas: np.ndarray, frame: int) -> None:
        outline = self.endocardium[frame]
        inward = -normals(outline)
        for position, radius, length in self.anatomy.papillary:
            index = CONTOUR_STEPS + int(np.sign(position) * abs(position) * (CONTOUR_STEPS - 1))
            tangent = outline[index + 1] - outline[index - 1]
            tangent = tangent / max(float(np.linalg.norm(tangent)), 1e-6)
            centre = outline[index] + inward[index] * radius
            ends = self._fixed(np.stack([centre - 0.5 * length * tangent, centre + 0.5 * length * tangent]))
            self._stroke(canvas, ends, 1.6 * radius, self.tissue.papillary)

    def _moderator_band(self, canvas: np.ndarray, right: np.ndarray) -> None:
        half = len(right) // 2
        start = int(0.8 * self.anatomy.moderator_band * (half - 1))
        stop = 2 * half - 1 - int(self.anatomy.moderator_band * (half - 1))
        self._stroke(canvas, right[[start, stop]], 3.0, self.tissue.right_wall)

    def _valve(self, canvas: np.ndarray, annulus: np.ndarray, opening: float, chordae: bool) -> None:
        """Two leaflets hinged at the annulus: they meet when shut and hang into the ventricle when open."""
        tissue, anatomy = self.tissue, self.anatomy
        across = annulus[1] - annulus[0]
        span = float(np.linalg.norm(across))
        across = across / max(span, 1e-6)
        apical = np.array([across[1], -across[0]])
        if apical[1] > 0:
            apical = -apical
        tent = np.arctan2(anatomy.leaflet_tenting, 0.5 * span)
        angle = tent + (anatomy.leaflet_opening - tent) * opening
        # The anterior leaflet, on the septal side, is the longer one; what they have to spare overlaps when shut.
        spare = 1.0 + (anatomy.leaflet_length - 1.0) * opening
        bend = 0.55 * angle
        leaflets = []
        for hinge, direction, share in ((annulus[0], across, 0.58), (annulus[1], -across, 0.46)):
            reach = share * span * spare
            middle = hinge + 0.5 * reach * (np.cos(bend) * direction + np.sin(bend) * apical)
            tip = hinge + reach * (np.cos(angle) * direction + np.sin(angle) * apical)
            chorda = tip + 0.45 * span * apical - 0.15 * span * direction
            leaflets.append([hinge - 0.06 * span * direction, hinge, middle, tip, chorda])
        points = np.array(leaflets)
        gains = self._specular(np.stack([points[:, 1:3], points[:, 2:4]], axis=1))[..., 0].ravel()
        brightness = tissue.leaflet + gains + np.array(tissue.leaflet_patches)
        for side, ends in enumerate(self._fixed(points)):
            self._stroke(canvas, ends[1:3], anatomy.leaflet_thickness, brightness[2 * side])
            self._stroke(canvas, ends[2:4], anatomy.leaflet_thickness, brightness[2 * side + 1])
            if chordae:
                self._stroke(canvas, ends[3:5], 0.8, tissue.leaflet - 8.0)
                # Leaflet tips and chordae stay bright where the leaflets, along the beam, fade.
                self._stroke(canvas, ends[3:4], anatomy.leaflet_tip, tissue.leaflet + tissue.leaflet_tip)
            self._stroke(canvas, ends[:2], 4.0, tissue.annulus)


def _brighten(decibels: list[float], gains: np.ndarray) -> list[float]:
    """Levels plus gains, but what is absent stays so."""
    return [DB_FLOOR if line <= DB_FLOOR else line + gain for line, gain in zip(decibels, gains, strict=True)]


def _quads(inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """The pieces between two outlines (points, 2): (points - 1, 4, 2)."""
    return np.stack([inner[:-1], inner[1:], outer[1:], outer[:-1]], axis=1)
