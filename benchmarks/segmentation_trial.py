"""Trial of a small segmentation network in place of the classical measure of ink of the digitiser.

`train` draws pages with the drawing code of the package, distorts them with the package's own distortions (none of those of
`benchmarks/library_distortions.py`), rectifies them, and trains a U-Net with 0.09 million parameters on crops: which part of
each pixel the pen covers. `compare` digitises pages both ways, the network's output in place of
:func:`cardiograph.ecg.digitize.ink.darkness_of`, and prints JSON. Usage:

    python benchmarks/segmentation_trial.py train --weights trial.safetensors [--drawn 200]
    python benchmarks/segmentation_trial.py compare --weights trial.safetensors --state trial.jsonl
        [--parts library,two_tone,own] [--pages 128] [--half development] [--seconds 400]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from cardiograph.ecg.digitize import ink
from cardiograph.ecg.digitize.geometry import rectify
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM, RectifiedPage
from cardiograph.ecg.draw.paper import PaperLayout, draw_page
from cardiograph.errors import EcgError
from cardiograph.synthesis.heart import record_ecg
from cardiograph.synthesis.patients import patient_records
from digitize import page_scores
from distorted_pages import Scores, half_of, scored
from photographs import listed, outcome
from printed_pages import DISTORTIONS, HALVES, LAYOUTS, RATE_HZ
from printed_pages import SETS as PRINTED
from rectify import COLOURS, Case, distort, grey, noise, pen, shadow

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Rng = np.random.Generator

CROP, CROPS_OF_PAGE, BUFFER, BATCH, STEPS_OF_PAGE = 256, 16, 4000, 8, 11
WIDTHS = (8, 16, 32, 64)
PEAK_RATE = 3e-3
GROUND_MM = 10
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


class Block(nn.Sequential):
    """Convolution, normalisation and rectifier."""

    def __init__(self, before: int, after: int, *, stride: int = 1) -> None:
        convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class InkNetwork(nn.Module):
    """U-Net from pages [n, 3, h, w] at 8 px/mm to logits of the ink [n, h, w]; it works on 4, 2, 1 and 0.5 px/mm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Block(12, WIDTHS[0])
        pairs = list(itertools.pairwise(WIDTHS))
        self.down = nn.ModuleList(nn.Sequential(Block(a, b, stride=2), Block(b, b)) for a, b in pairs)
        self.across = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)
        self.up = nn.ModuleList(Block(a, a) for a, _ in pairs)
        self.head = nn.Conv2d(WIDTHS[0], 4, 1)

    def forward(self, pages: Tensor) -> Tensor:
        """Return the logits."""
        levels = [self.stem(functional.pixel_unshuffle(pages, 2))]
        for down in self.down:
            levels.append(down(levels[-1]))
        state = levels.pop()
        for across, up in zip(reversed(self.across), reversed(self.up), strict=True):
            state = up(levels.pop() + functional.interpolate(across(state), scale_factor=2.0, mode="nearest"))
        return functional.pixel_shuffle(self.head(state), 2)[:, 0]


def evened(pixels: Pixels) -> Pixels:
    """Divide a rectified page by the brightness around each pixel; 128 is the mean brightness."""
    cell = 1 / PIXELS_PER_MM
    small = cv2.resize(pixels, None, fx=cell, fy=cell, interpolation=cv2.INTER_AREA).max(axis=2)
    ground = cv2.resize(cv2.blur(small, (2 * GROUND_MM + 1,) * 2), pixels.shape[1::-1])
    return np.asarray(cv2.divide(pixels, cv2.merge([np.maximum(ground, 8)] * 3), scale=128.0), np.uint8)


def hard_shadow(page: Pixels, rng: Rng) -> Pixels:
    """Darken polygons with hard edges and sharp tips."""
    light = np.ones(page.shape[:2], np.float32)
    for _ in range(int(rng.integers(1, 4))):
        corners = rng.uniform(-0.1, 1.1, (int(rng.integers(3, 6)), 2)) * page.shape[1::-1]
        shape = cv2.fillPoly(np.zeros(page.shape[:2], np.uint8), [corners.astype(np.int32)], 1)
        light *= 1 - float(rng.uniform(0.2, 0.55)) * shape
    return np.asarray(page * light[..., None], np.uint8)


def unsharp(page: Pixels, rng: Rng) -> Pixels:
    """Blur in all directions or in one."""
    if rng.random() < 0.7:
        return np.asarray(cv2.GaussianBlur(page, (0, 0), float(rng.uniform(0.4, 1.5))), np.uint8)
    kernel = np.zeros((7, 7), np.float32)
    reach = int(rng.integers(1, 4))
    end = np.round(reach * np.array([np.cos(angle := rng.uniform(0, np.pi)), np.sin(angle)])).astype(int)
    cv2.line(kernel, (3 - end[0], 3 - end[1]), (3 + end[0], 3 + end[1]), 1.0)
    return np.asarray(cv2.filter2D(page, -1, kernel / kernel.sum()), np.uint8)


def stored(page: Pixels, rng: Rng) -> Pixels:
    """Compress as JPEG."""
    quality = int(rng.integers(40, 96))
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", page, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1), np.uint8)


def copied(page: Pixels, rng: Rng) -> Pixels:
    """Copy in black and white at a tone between paper and grid, so that a part of the grid is black."""
    tone = cv2.cvtColor(page, cv2.COLOR_RGB2GRAY)
    limit = float(rng.uniform(120, 225))
    return np.asarray(cv2.cvtColor(((tone > limit) * 255).astype(np.uint8), cv2.COLOR_GRAY2RGB), np.uint8)


def toned(page: Pixels, rng: Rng) -> Pixels:
    """Change brightness, contrast and colour."""
    gain, offset = rng.uniform(0.7, 1.15) * rng.uniform(0.9, 1.05, 3), rng.uniform(-20, 25)
    return np.clip(page * gain + offset, 0, 255).astype(np.uint8)


def drawn_case(rng: Rng) -> Case:
    """Draw how a training page is distorted."""
    if rng.random() < 0.22:
        last = (unsharp, stored) if rng.random() < 0.3 else ()
        return Case(rotation=float(rng.uniform(0, 8)), tilt=float(rng.uniform(0, 0.1)), finish=(copied, *last))
    chances = ((shadow, 0.25), (hard_shadow, 0.35), (toned, 0.5), (unsharp, 0.45), (grey, 0.2), (noise, 0.25))
    steps = [step for step, chance in (*chances, (pen, 0.2), (stored, 0.5)) if rng.random() < chance]
    return Case(
        rotation=float(rng.choice([3, 25])),
        tilt=float(rng.uniform(0, 0.2)),
        stretch=float(rng.uniform(0.95, 1.05)),
        curl_mm=float(rng.choice([0, rng.uniform(0.5, 3)])),
        fold=bool(rng.random() < 0.15),
        finish=tuple(steps),
    )


def drawn_layout(rng: Rng) -> PaperLayout:
    """Draw layout, colours and resolution of a training page."""
    layout = list(LAYOUTS.values())[int(rng.integers(len(LAYOUTS)))]
    minor, major = list(COLOURS.values())[int(rng.integers(len(COLOURS)))]
    shade = float(rng.uniform(0.75, 1.0))
    darker = [tuple(int(255 - (255 - part) / shade**3) for part in colour) for colour in (minor, major)]
    minor, major = (tuple(max(part, 20) for part in colour) for colour in darker)
    dots = rng.random() < 0.12
    return replace(
        layout,
        minor=minor,
        major=major,
        frame=major,
        grid="dots" if dots else "lines",
        ink=(int(rng.integers(0, 70)),) * 3,
        pixels_per_mm=float(rng.uniform(3.5, 7.0)),
        row_mm=layout.row_mm * float(rng.uniform(0.85, 1.1)),
    )


def bent(rng: Rng, shape: tuple[int, ...], scale: float) -> Floats:
    """Smooth random displacement of a page, [h, w, 2] pixels, as a map for cv2.remap."""
    height, width = shape[:2]
    nodes = rng.normal(0, rng.uniform(0, 0.9) * scale, (int(rng.integers(3, 8)), int(rng.integers(4, 10)), 2))
    shift = cv2.resize(nodes.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.dstack([x, y]) + shift


def training_page(number: int) -> tuple[RectifiedPage, Floats] | None:
    """Draw a page; return it rectified, and the share of each pixel that the pen covers; None if no grid is found."""
    rng = np.random.default_rng(700_000 + number)
    layout = drawn_layout(rng)
    plain = replace(layout, paper=WHITE, minor=WHITE, major=WHITE, frame=WHITE, ink=BLACK)
    signal = record_ecg(patient_records(17, number)[0].heart, rng)[:, : 10 * RATE_HZ]
    signal = signal * float(rng.uniform(0.7, 1.5))
    header = ("12-LEAD ECG", "ID 4711    25 mm/s    10 mm/mV")
    page, strokes = (
        np.asarray(draw_page(signal, RATE_HZ, layout=each, header=header).pixels) for each in (layout, plain)
    )
    case = drawn_case(rng)
    if copied not in case.finish and rng.random() < 0.4:
        wave = bent(rng, page.shape, layout.pixels_per_mm)
        page, strokes = (cv2.remap(each, wave, None, cv2.INTER_LINEAR, borderValue=WHITE) for each in (page, strokes))
    photo = distort(page, layout.pixels_per_mm, case, rng)
    seen = cv2.remap(strokes[..., 0], photo.source, None, cv2.INTER_LINEAR, borderValue=255.0)
    try:
        rectified = rectify(photo.pixels)
    except EcgError:
        return None
    height, width = rectified.pixels.shape[:2]
    points = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
    place = rectified.page_points(points.astype(float)).astype(np.float32).reshape(height, width, 2)
    return rectified, 1 - cv2.remap(seen, place, None, cv2.INTER_LINEAR, borderValue=255.0) / np.float32(255)


def crops_of(page: Pixels, strokes: Floats, box: ink.Box, rng: Rng) -> Iterator[NDArray[np.uint8]]:
    """Crops [h, w, 4] around the grid of a page: colours and ink; most of them with ink."""
    both = np.dstack([evened(page), (255 * strokes).astype(np.uint8)])
    height, width = both.shape[:2]
    left, top = max(box[0] - 320, 0), max(box[1] - 80, 0)
    right, bottom = min(box[2] + 320, width) - CROP, min(box[3] + 80, height) - CROP
    if right <= left or bottom <= top:
        return
    kept = 0
    for _ in range(3 * CROPS_OF_PAGE):
        y, x = int(rng.integers(top, bottom)), int(rng.integers(left, right))
        crop = both[y : y + CROP, x : x + CROP]
        if crop[..., 3].mean() > 2 or rng.random() < 0.2:
            kept += 1
            yield np.rot90(crop, 2) if rng.random() < 0.2 else crop
        if kept == CROPS_OF_PAGE:
            return


def loss_of(logits: Tensor, ink_share: Tensor) -> Tensor:
    """Cross entropy with soft targets, and the Dice loss."""
    found = torch.sigmoid(logits)
    overlap = 2 * (found * ink_share).sum() / (found.square().sum() + ink_share.square().sum() + 1)
    return functional.binary_cross_entropy_with_logits(logits, ink_share) * 4 + 1 - overlap


def train(weights: Path, pages: int) -> None:
    """Train on pages that are drawn meanwhile; writes the weights every two minutes."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = InkNetwork().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=1e-4)
    crops: list[NDArray[np.uint8]] = []
    written, losses = time.monotonic(), []
    for number in range(pages):
        made = training_page(number)
        if made is None or made[0].grid is None:
            continue
        crops += [np.ascontiguousarray(crop) for crop in crops_of(made[0].pixels, made[1], made[0].grid, rng)]
        crops = crops[-BUFFER:]
        if len(crops) < 10 * CROPS_OF_PAGE:
            continue
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * min(1, 20 * number / pages) * 0.5 * (1 + np.cos(np.pi * number / pages))
        for _ in range(STEPS_OF_PAGE):
            batch = torch.from_numpy(np.stack([crops[place] for place in rng.integers(len(crops), size=BATCH)]))
            values = batch.permute(0, 3, 1, 2).float() / 255
            loss = loss_of(network(values[:, :3].contiguous(memory_format=torch.channels_last)), values[:, 3])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if time.monotonic() > written + 120:
            written = time.monotonic()
            save_file({name: part.contiguous() for name, part in network.state_dict().items()}, weights)
            sys.stderr.write(f"{number} of {pages} pages, loss {np.mean(losses[-500:]):.4f}\n")
    save_file({name: part.contiguous() for name, part in network.state_dict().items()}, weights)


def network_darkness(network: nn.Module, pixels: Pixels) -> Floats:
    """Return the share of each pixel of a rectified page that the pen covers, [h, w] float32, from the network."""
    height, width = pixels.shape[:2]
    page = cv2.copyMakeBorder(evened(pixels), 0, -height % 16, 0, -width % 16, cv2.BORDER_REPLICATE)
    with torch.inference_mode():
        values = torch.from_numpy(page).permute(2, 0, 1)[None].float() / 255
        found = torch.sigmoid(network(values.contiguous(memory_format=torch.channels_last)))
    return np.ascontiguousarray(found[0, :height, :width].numpy())


def load(weights: Path) -> nn.Module:
    """Load a trained network."""
    network = InkNetwork()
    network.load_state_dict(load_file(weights))
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def part_pages(part: str, pages: int, half: str) -> Iterator[tuple[str, Callable[[], Scores]]]:
    """Pages of a part: key of each, and how it is scored."""
    shared = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
    if part in ("library", "own", "two_tone"):
        name, copies = "library" if part == "library" else "own", part == "two_tone"
        numbers = [n for n in range(pages) if half_of(n) == half]
        kinds = {n: DISTORTIONS[(n + n // len(LAYOUTS)) % len(DISTORTIONS)] for n in numbers}
        for number in numbers:
            if part == "library" or (kinds[number] == "two_tone") == copies:
                yield f"{part} {number}", partial(scored, name, number)
    elif part == "photographs":
        for line, page in listed(shared / "pages-photographed"):
            if page.half == half:
                yield page.name, partial(outcome, line, page)
    else:
        for page in PRINTED[part](shared, pages):
            if page.half == half:
                yield page.name, partial(page_scores, page)


def compare(options: argparse.Namespace) -> None:
    """Digitise pages both ways until the time is over, a line of the state file for each."""
    network, classical = load(options.weights), ink.darkness_of
    ways = {"classical": classical, "network": partial(network_darkness, network)}
    rows = [json.loads(line) for line in options.state.read_text().splitlines()] if options.state.exists() else []
    done, end = {(row["page"], row["way"]) for row in rows}, time.monotonic() + options.seconds
    with options.state.open("a") as state:
        for part in options.parts.split(","):
            for (name, score), way in itertools.product(
                part_pages(part, options.pages, options.half), options.ways.split(",")
            ):
                if (name, way) in done or time.monotonic() > end:
                    continue
                ink.darkness_of = ways[way]
                row = {"part": part, "page": name, "way": way} | score()
                rows.append(row)
                state.write(json.dumps(row) + "\n")
                state.flush()
    print(json.dumps(figures(rows), indent=1))


def figures(rows: list[Scores]) -> dict[str, object]:
    """Figures of each part, both ways."""
    result: dict[str, object] = {}
    for part, way in sorted({(row["part"], row["way"]) for row in rows}):
        some = [row for row in rows if (row["part"], row["way"]) == (part, way)]
        seconds = round(float(np.median([row.get("seconds", 0.0) for row in some])), 2)
        if part == "photographs":
            found: dict[str, object] = {
                "right": sum(row["right"] for row in some),
                "names_right": sum(not row.get("wrong_names", True) for row in some),
                "refused": sum("refused" in row for row in some),
            }
        else:
            snr = np.percentile([value for row in some for value, _ in row["leads"].values()], (50, 5, 25))
            found = {
                "layout_right": sum(row["layout"] == row.get("printed") for row in some),
                "all_names_right": sum(not row["wrong"] and not row["refused"] for row in some),
                "refused": sum(bool(row["refused"]) for row in some),
                "snr_db_median_5_25": snr.round(1).tolist(),
            }
        result[f"{part}, {way}"] = {"pages": len(some), **found, "median_seconds": seconds}
    return result


def main() -> None:
    """Train or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "compare"))
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--drawn", type=int, default=200, help="pages to train on")
    parser.add_argument("--state", type=Path, default=Path("segmentation_trial.jsonl"))
    parser.add_argument("--parts", default="library,two_tone,own,photographs")
    parser.add_argument("--ways", default="classical,network")
    parser.add_argument("--pages", type=int, default=128)
    parser.add_argument("--half", choices=HALVES, default="development")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no page after this time")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    if options.what == "train":
        train(options.weights, options.drawn)
    else:
        compare(options)


if __name__ == "__main__":
    main()
