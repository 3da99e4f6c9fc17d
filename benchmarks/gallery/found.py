"""Photographs and medical images that installed packages bring along (scikit-image, scikit-learn, matplotlib, pydicom)."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from gallery.source import Pixels, Source


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        message = f"package {package} is not installed; run `make bench`, or pip install 'cardiograph[bench]'"
        raise SystemExit(message)
    return Path(spec.origin).parent


def _opened(path: Path) -> Pixels:
    with Image.open(path) as image:
        layers = image.convert("RGBA")
    paper = Image.new("RGBA", layers.size, "white")
    pixels = Image.alpha_composite(paper, layers).convert("RGB")
    if min(pixels.size) < 100:
        pixels = pixels.resize((max(400, pixels.width), max(400, pixels.height)), Image.Resampling.NEAREST)
    return np.asarray(pixels)


def picture(package: str, inside: str) -> Callable[[np.random.Generator], Pixels]:
    """The whole picture, or (from the second draw on) a part of it, enlarged to the size of a page."""

    def draw(rng: np.random.Generator) -> Pixels:
        whole = _opened(_folder(package) / inside)
        height, width = whole.shape[:2]
        if rng.random() < 0.5:
            return whole
        share = rng.uniform(0.5, 0.9)
        tall, wide = max(60, int(height * share)), max(60, int(width * share))
        top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
        part = Image.fromarray(whole[top : top + tall, left : left + wide])
        scale = 1100 / max(part.size)
        size = (max(120, round(part.width * scale)), max(120, round(part.height * scale)))
        return np.asarray(part.resize(size, Image.Resampling.BICUBIC))

    return draw


def _dicom(inside: str) -> Callable[[np.random.Generator], Pixels]:
    def draw(_: np.random.Generator) -> Pixels:
        import pydicom

        path = _folder("pydicom") / "data" / "test_files" / inside
        data = pydicom.dcmread(path)
        array = np.asarray(data.pixel_array)
        if array.ndim == 4 or (array.ndim == 3 and array.shape[-1] not in (3, 4)):
            array = array[0]
        if array.ndim == 2:
            low, high = np.percentile(array, [0.5, 99.5])
            level = np.clip((array - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
            if data.PhotometricInterpretation == "MONOCHROME1":
                level = 255 - level
            array = np.repeat(level[..., None], 3, axis=2)
        scale = max(1.0, 512 / max(array.shape[:2]))
        size = (round(array.shape[1] * scale), round(array.shape[0] * scale))
        picture = Image.fromarray(array[..., :3].astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
        return np.asarray(picture)

    return draw


def _mri(_: np.random.Generator) -> Pixels:
    with gzip.open(_folder("matplotlib") / "mpl-data" / "sample_data" / "s1045.ima.gz") as file:
        level = np.frombuffer(file.read(), np.uint16).reshape(256, 256).astype(np.float64)
    shade = np.clip(level / np.percentile(level, 99.5) * 255, 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(shade).resize((512, 512)).convert("RGB"))


def _relief(name: str, key: str) -> Callable[[np.random.Generator], Pixels]:
    def draw(_: np.random.Generator) -> Pixels:
        with np.load(_folder("matplotlib") / "mpl-data" / "sample_data" / name) as data:
            height = np.asarray(data[key], np.float64)
        slope = np.gradient(height)[0]
        level = np.clip(128 + 60 * slope / max(float(slope.std()), 1e-9), 0, 255).astype(np.uint8)
        return np.asarray(Image.fromarray(level).resize((800, 600)).convert("RGB"))

    return draw


def _skimage(*names: str) -> tuple[Source, ...]:
    return tuple(Source(f"scikit-image {name}", picture("skimage", f"data/{name}")) for name in names)


_PHOTOGRAPHS = (
    *_skimage("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "gravel.png"),
    *_skimage("grass.png", "hubble_deep_field.jpg", "horse.png", "motorcycle_left.png", "moon.png", "rocket.jpg"),
    *_skimage("clock_motion.png", "logo.png", "color.png", "chessboard_RGB.png", "chessboard_GRAY.png"),
    Source("scikit-learn china.jpg", picture("sklearn", "datasets/images/china.jpg")),
    Source("scikit-learn flower.jpg", picture("sklearn", "datasets/images/flower.jpg")),
    Source("matplotlib grace_hopper.jpg", picture("matplotlib", "mpl-data/sample_data/grace_hopper.jpg")),
    Source(
        "matplotlib Minduka_Present_Blue_Pack.png",
        picture("matplotlib", "mpl-data/sample_data/Minduka_Present_Blue_Pack.png"),
    ),
    Source("matplotlib topobathy.npz", _relief("topobathy.npz", "topo"), 1),
    Source("matplotlib jacksboro_fault_dem.npz", _relief("jacksboro_fault_dem.npz", "elevation"), 1),
)

_MEDICAL = (
    *_skimage("cell.png", "ihc.png", "microaneurysms.png", "phantom.png", "retina.jpg"),
    Source("matplotlib s1045.ima.gz (MRI)", _mri, 1),
    *(
        Source(f"pydicom {name}", _dicom(name), 1)
        for name in (
            "CT_small.dcm",
            "MR_small.dcm",
            "examples_rgb_color.dcm",
            "examples_ybr_color.dcm",
            "examples_palette.dcm",
            "examples_overlay.dcm",
            "dicomdirtests/77654033/CR1/6154",
            "dicomdirtests/77654033/CR2/6247",
            "dicomdirtests/77654033/CT2/17106",
            "dicomdirtests/98892001/CT2N/6293",
            "dicomdirtests/98892003/MR1/15820",
            "dicomdirtests/98892003/MR2/15970",
            "JPEG2000.dcm",
            "SC_rgb_jpeg.dcm",
            "rtdose_1frame.dcm",
            "liver_1frame.dcm",
        )
    ),
)

_TEXT = _skimage("page.png", "text.png")

KINDS = {"photograph": _PHOTOGRAPHS, "medical image": _MEDICAL, "photograph of text": _TEXT}
