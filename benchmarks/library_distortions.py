"""Pages distorted at random by Albumentations, a library that the drawing code does not use.

The strengths were set so that a person can still read the page, before any page was digitised.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cardiograph.ecg.draw.paper import PaperLayout
from printed_pages import LAYOUTS, Printed, drawn
from rectify import COLOURS

if TYPE_CHECKING:
    from albumentations import Compose

TABLE = (110, 105, 100)
"""Colour around the sheet."""


def pipeline(seed: int) -> tuple[Compose, str]:
    """One way of the library to bend, light, blur, colour and store a page, drawn at random."""
    import albumentations as A  # noqa: N812 - the usual name

    around = {"fill": TABLE, "p": 1.0}
    geometry = {
        "perspective": A.Perspective(scale=(0.03, 0.09), fit_output=True, **around),
        "rotation": A.Affine(rotate=(-25, 25), shear=(-3, 3), fit_output=True, **around),
        "elastic": A.ElasticTransform(alpha=1500, sigma=45, **around),
        "grid": A.GridDistortion(num_steps=5, distort_limit=0.06, **around),
        "spline": A.ThinPlateSpline(scale_range=(0.005, 0.012), **around),
    }
    light = [
        A.RandomShadow(num_shadows_limit=(1, 2), shadow_intensity_range=(0.2, 0.5), p=1),
        A.PlasmaShadow(shadow_intensity_range=(0.2, 0.5), p=1),
        A.Illumination(intensity_range=(0.05, 0.2), p=1),
        A.RandomBrightnessContrast(0.2, 0.2, p=1),
    ]
    sharpness = [
        A.MotionBlur(blur_limit=(3, 7), p=1),
        A.Defocus(radius=(1, 2), p=1),
        A.GaussianBlur(sigma_limit=(0.5, 1.4), p=1),
        A.Downscale(scale_range=(0.6, 0.9), p=1),
    ]
    colour = [
        A.ToGray(p=1),
        A.PlanckianJitter(p=1),
        A.ISONoise(color_shift=(0.01, 0.04), intensity=(0.1, 0.4), p=1),
        A.GaussNoise(std_range=(0.02, 0.05), p=1),
    ]
    bars = A.CoarseDropout(
        num_holes_range=(1, 2), hole_height_range=(0.03, 0.06), hole_width_range=(0.1, 0.3), fill=0, p=0.3
    )
    kind = list(geometry)[seed % len(geometry)]
    steps = [geometry[kind], A.OneOf(light, p=0.8), A.OneOf(sharpness, p=0.6), A.OneOf(colour, p=0.7), bars]
    return A.Compose([*steps, A.ImageCompression(quality_range=(50, 95), p=0.8)], seed=seed), kind


def library_page(number: int) -> Printed:
    """Draw page ``number`` in a layout, colour and resolution drawn at random, and let the library distort it."""
    rng = np.random.default_rng(90_000 + number)
    name = list(LAYOUTS)[int(rng.integers(len(LAYOUTS)))]
    minor, major = list(COLOURS.values())[int(rng.integers(len(COLOURS)))]
    layout: PaperLayout = replace(
        LAYOUTS[name],
        minor=minor,
        major=major,
        pixels_per_mm=float(rng.uniform(3.5, 6.0)),
        row_mm=LAYOUTS[name].row_mm * float(rng.uniform(0.9, 1.1)),
    )
    change, kind = pipeline(number)
    pixels, truth = drawn(number, layout, rng)
    return Printed(f"{number} {name}, {kind}", "", change(image=pixels)["image"], layout.rows, truth, group=kind)
