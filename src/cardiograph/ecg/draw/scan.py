"""Simulate the scan of a page: small rotation, blur, tint, uneven light, noise and JPEG compression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.draw.paper import DrawnPage


@dataclass(frozen=True)
class ScanStyle:
    """The parameters of one scan.

    Args:
        rotation_deg: Counter-clockwise rotation, degrees.
        blur_pixels: Standard deviation of the Gaussian blur, pixels.
        tint: Factors on red, green and blue.
        shade: Loss of brightness from one edge to the opposite one, 0..1.
        shade_direction_deg: Direction of the light, degrees.
        noise: Standard deviation of the uniform noise, grey levels.
        quality: JPEG quality, 1..95.
    """

    rotation_deg: float = 0.0
    blur_pixels: float = 0.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shade: float = 0.0
    shade_direction_deg: float = 0.0
    noise: float = 0.0
    quality: int = 90


def draw_scan_style(rng: np.random.Generator) -> ScanStyle:
    """Draw the parameters of an office scanner: rotation up to 1.5 degrees, slight errors of colour and focus.

    Args:
        rng: Random number generator.
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
        page: Page from :func:`cardiograph.ecg.draw.paper.draw_page`.
        style: Parameters of the scan; only :func:`encode_jpeg` uses ``quality``.
        rng: Random number generator for the noise of the sensor.

    Returns:
        A page of the same size, with ``grid_corners`` rotated accordingly.
    """
    import cv2

    height, width = page.pixels.shape[:2]
    pixels, corners = np.asarray(page.pixels), page.grid_corners
    if style.rotation_deg:
        # OpenCV: integer coordinates are pixel centres; here they are edges
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
    # one channel at a time: broadcasting over a last axis of length three is slow
    colours = [
        cv2.convertScaleAbs(np.maximum(colour * (light * np.float32(factor)) + grain, 0))
        for colour, factor in zip(cv2.split(pixels), style.tint, strict=True)
    ]
    return DrawnPage(np.asarray(cv2.merge(colours), np.uint8), corners)


def _light(height: int, width: int, style: ScanStyle) -> NDArray[np.float32]:
    """Return the [height, width] share of the light that reaches each pixel."""
    angle, slope = np.deg2rad(style.shade_direction_deg), 0.5 * style.shade
    across = 1 - slope - slope * np.cos(angle) * np.linspace(-0.5, 0.5, width, dtype=np.float32)
    down = slope * np.sin(angle) * np.linspace(-0.5, 0.5, height, dtype=np.float32)
    return np.asarray(across.astype(np.float32)[None, :] - down.astype(np.float32)[:, None])


def encode_jpeg(page: DrawnPage, quality: int) -> bytes:
    """Encode a page as JPEG.

    Args:
        page: Drawn or scanned page.
        quality: JPEG quality, 1..95.
    """
    import cv2

    # OpenCV expects the channels in the order blue, green, red
    done, buffer = cv2.imencode(
        ".jpg", cv2.cvtColor(page.pixels, cv2.COLOR_RGB2BGR), [int(cv2.IMWRITE_JPEG_QUALITY), quality]
    )
    if not done:
        message = f"page of {page.pixels.shape} pixels cannot be written as JPEG"
        raise ValueError(message)
    return bytes(buffer)
