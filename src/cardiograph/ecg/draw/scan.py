"""What a scanner does to a page: a small rotation, blur, tint, uneven light, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.draw.paper import DrawnPage


@dataclass(frozen=True)
class ScanStyle:
    """The parameters of one scan.

    Args:
        rotation_deg: Counter-clockwise.
        blur_pixels: Standard deviation of the blur.
        tint: Factor on red, green and blue.
        shade: Loss of light from one edge to the opposite one, 0..1.
        shade_direction_deg: Where the light comes from.
        noise: Standard deviation in grey levels, of uniform noise.
        quality: Quality of the JPEG file.
    """

    rotation_deg: float = 0.0
    blur_pixels: float = 0.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shade: float = 0.0
    shade_direction_deg: float = 0.0
    noise: float = 0.0
    quality: int = 90


def draw_scan_style(rng: np.random.Generator) -> ScanStyle:
    """A scanner as in an office: rotation up to 1.5 degrees, mostly under one, and slight faults of colour and focus.

    Args:
        rng: Chance.
    """
    warmth, paper = rng.uniform(0, 0.05), rng.uniform(0.94, 1.0)
    return ScanStyle(
        rotation_deg=float(np.clip(0.5 * rng.standard_normal(), -1.5, 1.5)),
        blur_pixels=float(rng.uniform(0.2, 0.65)),
        tint=(paper, paper * (1 - 0.4 * warmth), paper * (1 - warmth)),
        shade=float(rng.uniform(0, 0.07)),
        shade_direction_deg=float(rng.uniform(0, 360)),
        noise=float(rng.uniform(0.3, 2.0)),
        quality=int(rng.integers(75, 91)),
    )


def scan_page(page: DrawnPage, style: ScanStyle, rng: np.random.Generator) -> DrawnPage:
    """Scan a drawn page.

    Args:
        page: From :func:`cardiograph.ecg.draw.paper.draw_page`.
        style: The scan's parameters; ``quality`` is for :func:`encode_jpeg`.
        rng: Chance, for the noise of the sensor.

    Returns:
        A page of the same size; ``grid_corners`` turn with it.
    """
    import cv2

    height, width = page.pixels.shape[:2]
    pixels, corners = np.asarray(page.pixels), page.grid_corners
    if style.rotation_deg:
        # OpenCV's whole coordinates are pixel centres, ours are edges
        turn = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), style.rotation_deg, 1.0)
        pixels = np.asarray(
            cv2.warpAffine(pixels, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
            np.uint8,
        )
        corners = (corners - 0.5) @ turn[:, :2].T + turn[:, 2] + 0.5
    if style.blur_pixels:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), style.blur_pixels), np.uint8)
    light = _light(height, width, style)
    grain = np.zeros((1, 1), np.float32)
    if style.noise:
        grain = np.float32(style.noise * 12**0.5) * (rng.random((height, width), np.float32) - np.float32(0.5))
    # one colour at a time: a last axis of three is slow to broadcast over
    colours = [
        cv2.convertScaleAbs(np.maximum(colour * (light * np.float32(factor)) + grain, 0))
        for colour, factor in zip(cv2.split(pixels), style.tint, strict=True)
    ]
    return DrawnPage(np.asarray(cv2.merge(colours), np.uint8), corners)


def _light(height: int, width: int, style: ScanStyle) -> NDArray[np.float32]:
    """[height, width] share of the light that reaches each pixel."""
    angle, slope = np.deg2rad(style.shade_direction_deg), 0.5 * style.shade
    across = 1 - slope - slope * np.cos(angle) * np.linspace(-0.5, 0.5, width, dtype=np.float32)
    down = slope * np.sin(angle) * np.linspace(-0.5, 0.5, height, dtype=np.float32)
    return np.asarray(across.astype(np.float32)[None, :] - down.astype(np.float32)[:, None])


def encode_jpeg(page: DrawnPage, quality: int) -> bytes:
    """The page as a JPEG file.

    Args:
        page: A page.
        quality: 1..95.
    """
    import cv2

    # OpenCV writes blue, green, red
    done, buffer = cv2.imencode(
        ".jpg", cv2.cvtColor(page.pixels, cv2.COLOR_RGB2BGR), [int(cv2.IMWRITE_JPEG_QUALITY), quality]
    )
    if not done:
        message = f"page of {page.pixels.shape} pixels cannot be written as JPEG"
        raise ValueError(message)
    return bytes(buffer)
