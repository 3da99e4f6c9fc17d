"""How far copies of a page lie from it, and different pages from each other: the ground of the near-copy threshold.

Prints JSON. Reads the shared ECG pages ($CARDIOGRAPH_SHARED, default ../shared). Usage:

    python benchmarks/near_copies.py [--every 4] [--view grid|whole] [--pages ecg-pages|pages-ludb|pages-ptb-xl]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cardiograph.config_reading import PagesConfig
from cardiograph.errors import PageError
from cardiograph.imaging.grid import select_view
from cardiograph.imaging.hashing import NEAR_COPY_THRESHOLD, near_copy_distance, near_copy_pairs, perceptual_hash
from cardiograph.imaging.reading import read_page

Pixels = NDArray[np.uint8]


def encoded(pixels: Pixels, kind: str = "JPEG", **options: int) -> Pixels:
    """Written and read again."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def scaled(pixels: Pixels, factor: float) -> Pixels:
    """Another resolution."""
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def turned(pixels: Pixels, degrees: float) -> Pixels:
    """Laid askew on the scanner."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    moved = cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def cut(pixels: Pixels, shares: tuple[float, float, float, float]) -> Pixels:
    """Margins cut off: left, top, right, bottom, shares of the side."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = shares
    return pixels[
        round(top * height) : height - round(bottom * height), round(left * width) : width - round(right * width)
    ]


def toned(pixels: Pixels, gain: tuple[float, float, float], offset: float) -> Pixels:
    """Another brightness, contrast or tint."""
    return np.clip(pixels * np.array(gain) + offset, 0, 255).astype(np.uint8)


COPIES: dict[str, Callable[[Pixels], Pixels]] = {
    "JPEG quality 90": lambda p: encoded(p, quality=90),
    "JPEG quality 70": lambda p: encoded(p, quality=70),
    "JPEG quality 50": lambda p: encoded(p, quality=50),
    "PNG": lambda p: encoded(p, "PNG"),
    "scale 0.5": lambda p: scaled(p, 0.5),
    "scale 0.7": lambda p: scaled(p, 0.7),
    "scale 1.5": lambda p: scaled(p, 1.5),
    "margins -2 % all round": lambda p: cut(p, (0.02, 0.02, 0.02, 0.02)),
    "margins -2 % on two sides": lambda p: cut(p, (0, 0.02, 0.013, 0)),
    "brighter": lambda p: toned(p, (0.75, 0.75, 0.75), 40),
    "contrast 0.6": lambda p: toned(p, (0.6, 0.6, 0.6), 63),
    "tint": lambda p: toned(p, (1, 0.93, 0.8), 0),
    "grey": lambda p: np.repeat(np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8)[..., None], 3, axis=2),
    "black and white": lambda p: (
        np.where(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[..., None] < 128, 0, 255).astype(np.uint8).repeat(3, axis=2)
    ),
    "upside down": lambda p: p[::-1, ::-1],
    "mirrored": lambda p: p[:, ::-1],
    "turned +0.5 degrees": lambda p: turned(p, 0.5),
    "turned +1 degree": lambda p: turned(p, 1),
    "turned -1 degree": lambda p: turned(p, -1),
    "blurred": lambda p: np.asarray(cv2.GaussianBlur(p, (0, 0), 1.2), np.uint8),
    "turned, darker, scaled, JPEG 60": lambda p: encoded(
        scaled(turned(toned(p, (0.9, 0.9, 0.9), 0), 0.7), 0.8), quality=60
    ),
}


def measured(
    pages: list[Pixels], hashes: NDArray[np.uint8], copy: Callable[[Pixels], Pixels], config: PagesConfig
) -> dict[str, float | None]:
    """Distances of copies to their originals, and how many are found at the threshold."""
    distances, no_view = [], 0
    for page, value in zip(pages, hashes, strict=True):
        try:
            _, view = select_view(copy(page), config)
        except PageError:
            no_view += 1
            continue
        distances.append(near_copy_distance(value, perceptual_hash(view)[None])[0])
    found = int((np.array(distances) <= NEAR_COPY_THRESHOLD).sum())
    return {
        "copies": len(pages),
        "found": found,
        "no_grid": no_view,
        "median": round(float(np.median(distances)), 4) if distances else None,
        "largest": round(float(np.max(distances)), 4) if distances else None,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=4, help="copy each n-th page (all pages are compared)")
    parser.add_argument("--view", choices=["grid", "whole"], default="grid")
    parser.add_argument("--pages", choices=["ecg-pages", "pages-ludb", "pages-ptb-xl"], default="ecg-pages")
    options = parser.parse_args()
    config = PagesConfig(view=options.view)
    shared = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    files = sorted(file for file in (shared / "data" / options.pages).rglob("*.*") if file.suffix in (".jpg", ".png"))
    pages, hashes, seconds = [], [], 0.0
    for file in files:
        pages.append(read_page(file, name=file.name).pixels)
        _, view = select_view(pages[-1], config)
        begin = time.process_time()
        hashes.append(perceptual_hash(view))
        seconds += time.process_time() - begin
    table = np.stack(hashes)
    first, second = np.triu_indices(len(files), 1)
    apart = np.concatenate([near_copy_distance(table[row], table[row + 1 :]) for row in range(len(files) - 1)])
    nearest = np.argsort(apart)[:8]
    chosen = slice(None, None, options.every)
    report = {
        "pages": options.pages,
        "view": options.view,
        "threshold": NEAR_COPY_THRESHOLD,
        "hash_cpu_ms": round(1000 * seconds / len(files), 1),
        "different_pages": {
            "pages": len(files),
            "pairs": len(apart),
            "pairs_at_threshold": len(near_copy_pairs(table)),
            "quantiles": {str(q): round(float(np.quantile(apart, q)), 4) for q in (0, 0.0001, 0.001, 0.01, 0.1, 0.5)},
            "nearest": [[files[first[k]].stem, files[second[k]].stem, round(float(apart[k]), 4)] for k in nearest],
        },
        "copies": {name: measured(pages[chosen], table[chosen], copy, config) for name, copy in COPIES.items()},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
