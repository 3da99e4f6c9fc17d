"""What a picture of the gallery is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
Curve = NDArray[np.float64]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Source:
    """A recipe, or a file.

    Args:
        name: Name of the recipe, or package and file.
        draw: From chance to pixels [h, w, 3].
        copies: How many pictures it gives.
    """

    name: str
    draw: Callable[[np.random.Generator], Pixels]
    copies: int = 2


def sheet(size: tuple[int, int], colour: Colour = (255, 255, 255)) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty sheet of paper and a pen."""
    image = Image.new("RGB", size, colour)
    return image, ImageDraw.Draw(image)


def scanned(image: Image.Image | Pixels, rng: np.random.Generator, noise: float = 2.0) -> Pixels:
    """With the grain and the uneven light of a scanner."""
    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape[:2]
    light = 1 - 0.06 * rng.random() * np.linspace(0, 1, width)[None, :, None]
    grain = noise * rng.standard_normal((height, width, 1))
    return np.clip(pixels * light + grain, 0, 255).astype(np.uint8)


def smooth(rng: np.random.Generator, size: int, width: float) -> Curve:
    """[size] a random curve without corners, of mean 0 and deviation 1."""
    reach = int(4 * width) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    curve = np.convolve(rng.standard_normal(size + 2 * reach), kernel, "valid")
    return np.asarray((curve - curve.mean()) / max(float(curve.std()), 1e-9))


def pick(rng: np.random.Generator, *choices: Colour) -> Colour:
    """One of the colours."""
    return choices[int(rng.integers(len(choices)))]
