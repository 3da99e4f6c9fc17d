"""How many pictures that are no ECG page are refused, and how many pages are kept: the ground of the limits of the gate.

Prints JSON. The other pictures come from `benchmarks/gallery`: found in installed packages (scikit-image, scikit-learn,
matplotlib, pydicom) or drawn; sources of one kind alternate between a half for tuning and one for scoring, and fresh
ones were made after the first limits. Rules were changed after a look at the scoring half and at the fresh pictures, so
that only shared pages of the scoring half are held out; `docs/concepts/pages.md` has the figures of each first look.
Pages are the
shared ones ($CARDIOGRAPH_SHARED, default ../shared), in halves by group, copies of them, and drawn pages. Usage:

    python benchmarks/page_gate.py [--every 8] [--patients 60] [--passed FOLDER]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cardiograph.config_reading import PagesConfig
from cardiograph.errors import PageError
from cardiograph.imaging.ecg_check import EcgEvidence, ecg_evidence, not_an_ecg
from cardiograph.imaging.grid import select_view
from cardiograph.imaging.reading import read_page
from gallery import Picture, fresh_pictures, look_alikes, other_pictures
from gallery.ecg_pages import MORE_COPIES, halves, opened, recorded, synthetic
from gallery.source import Pixels

GRID, WHOLE = PagesConfig(), PagesConfig(view="whole")


class Verdicts:
    """The verdict on a picture, and the CPU time of the gate."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on(self, pixels: Pixels, view: PagesConfig = GRID) -> tuple[str, EcgEvidence | None]:
        """``kept``, ``not_an_ecg`` or the code of an earlier refusal, and the evidence where it got so far."""
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)
        try:
            page = read_page(file.getvalue(), name="picture")
            _, part = select_view(page.pixels, view)
            begin = time.process_time()
            evidence = ecg_evidence(part)
            self.seconds.append(time.process_time() - begin)
        except PageError as error:
            return error.issues[0].code, None
        return "kept" if not_an_ecg(evidence) is None else "not_an_ecg", evidence


def pictures(source: Iterable[Picture], verdicts: Verdicts, passed: Path | None) -> dict[str, object]:
    """Counts by half and kind, by the grid finder and then the gate, and by the gate alone on the whole picture."""
    table: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    wrong = []
    for picture in source:
        code, _ = verdicts.on(picture.pixels)
        alone, _ = verdicts.on(picture.pixels, WHOLE)
        table[picture.half][picture.kind].update([code, *(["kept_by_gate_alone"] if alone == "kept" else [])])
        if "kept" in (code, alone):
            name = f"{picture.half}, {picture.kind}, {picture.source}, {picture.number}"
            wrong.append({"picture": name, "grid": code, "whole": alone})
            if passed is not None:
                Image.fromarray(picture.pixels).save(passed / f"{name.replace('/', ' ')}.png")
    counted = ("kept", "not_an_ecg", "no_grid", "blank", "too_small")
    report: dict[str, object] = {}
    for half, kinds in table.items():
        total = sum(kinds.values(), Counter())
        n = sum(total[code] for code in counted)
        report[half] = {
            "pictures": n,
            "refused": n - total["kept"],
            "refused_share": round(1 - total["kept"] / n, 4),
            "refused_without_gate": n - total["kept"] - total["not_an_ecg"],
            "refused_by_gate_alone_share": round(1 - total["kept_by_gate_alone"] / n, 4),
            "kinds": {kind: dict(counts) for kind, counts in kinds.items()},
        }
    return {**report, "passed": wrong}


def measured(evidence: list[EcgEvidence]) -> dict[str, list[float]]:
    """Least, 1st, 50th and 99th percentile and most of each measurement."""
    return {
        field.name: [
            round(float(v), 3) for v in np.percentile([asdict(e)[field.name] for e in evidence], [0, 1, 50, 99, 100])
        ]
        for field in fields(EcgEvidence)
    }


def shared_pages(files: list[Path], verdicts: Verdicts, every: int) -> dict[str, object]:
    """The shared pages by half, then copies of each n-th page of each half."""
    parts, report = halves(files), {}
    for half, own in parts.items():
        found = [verdicts.on(opened(file)) for file in own]
        whole = [verdicts.on(opened(file), WHOLE)[0] for file in own]
        copies = {
            name: dict(Counter(verdicts.on(np.ascontiguousarray(copy(opened(file))))[0] for file in own[::every]))
            for name, copy in MORE_COPIES.items()
        }
        report[half] = {
            "pages": len(own),
            "kept": sum(code == "kept" for code, _ in found),
            "kept_as_whole_page": whole.count("kept"),
            "copies": copies,
            "evidence": measured([evidence for _, evidence in found if evidence is not None]),
        }
    return report


def drawn_pages(source: Iterable[tuple[str, str, Pixels]], verdicts: Verdicts) -> dict[str, object]:
    """Counts by half, and by name where a page is refused."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    refused: Counter[str] = Counter()
    for half, name, pixels in source:
        code, _ = verdicts.on(pixels)
        table[half][code] += 1
        if code != "kept":
            refused[f"{half}, {name}: {code}"] += 1
    return {**{half: dict(codes) for half, codes in table.items()}, "not_kept": dict(refused)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=8, help="copy each n-th shared page of a half")
    parser.add_argument("--patients", type=int, default=60, help="of the synthetic cohort")
    parser.add_argument("--passed", type=Path, help="save the pictures that pass wrongly in this folder")
    options = parser.parse_args()
    shared = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore")  # pydicom's remarks on its own test files
    if options.passed:
        options.passed.mkdir(parents=True, exist_ok=True)
    verdicts = Verdicts()
    report: dict[str, object] = {
        "other_pictures": pictures(other_pictures(), verdicts, options.passed),
        "fresh_pictures": pictures(fresh_pictures(), verdicts, options.passed),
        "look_alikes": pictures(look_alikes(), verdicts, options.passed),
        "synthetic_pages": drawn_pages(synthetic(options.patients), verdicts),
        "recorded": drawn_pages(recorded(shared), verdicts),
    }
    files = sorted((shared / "data" / "ecg-pages" / "images").glob("*.jpg"))
    if files:
        report["shared_pages"] = shared_pages(files, verdicts, options.every)
    report["gate_cpu_ms"] = {
        "median": round(1000 * float(np.median(verdicts.seconds)), 1),
        "largest": round(1000 * max(verdicts.seconds), 1),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
