"""What the audit finds where the truth is known, and how long it takes.

usage: python benchmarks/audit_pages.py [--shared ../shared] [--pages 1000] [--copied 60]

Prints one JSON object: the shared pages laid out with their copies (files and different images by class, what blocks);
near-copies made of some of them and of synthetic pages (recall and false alarms by kind); logistic regression on the columns
of the published simulator; the page header as a predictor, with whole groups and with copies on both sides; seconds for a
cohort of synthetic pages, unread and read before.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from cardiograph.artifacts.cache import PageCache
from cardiograph.audit.audit_input import AuditedPages
from cardiograph.audit.circular import filled
from cardiograph.audit.copies import page_clusters
from cardiograph.audit.probes import cross_validated_auroc
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig, load_config
from cardiograph.features.simulate import simulate_from_label
from cardiograph.imaging.page_metadata import extract_metadata
from cardiograph.imaging.prepare import prepare_page
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.groups import group_records
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress
from cardiograph.run.audit import audit_cohort
from cardiograph.synthesis.cohort import write_cohort
from cardiograph.threads import available_threads

CLASSES = ["abnormal_heartbeat", "history_of_mi", "myocardial_infarction"]
SHARED = load_config(None, {"cohort": {"map": {"ecg": "image", "label": "class"}, "positive": CLASSES}})


def changed(image: Image.Image, kind: str) -> tuple[Image.Image, dict[str, int]]:
    """A copy as it comes about in practice, and how it is saved."""
    width, height = image.size
    if kind == "rescaled":
        return image.resize((width * 3 // 4, height * 3 // 4), Image.Resampling.LANCZOS), {"quality": 90}
    if kind == "encoded again":
        return image, {"quality": 50}
    if kind == "cropped":
        return image.crop((width // 60, height // 60, width - width // 60, height - height // 60)), {"quality": 90}
    return image.rotate(0.7, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255)), {"quality": 90}


def near_copies(files: list[Path], folder: Path) -> dict[str, object]:
    """Copies of pages that the audit joins to their source, and strangers that it joins to anything."""
    kinds = ("rescaled", "encoded again", "cropped", "turned by 0.7 degrees")
    pages, source, kind_of = [], [], []
    config = RunConfig().pages
    for number, file in enumerate(files):
        with Image.open(file) as opened:
            image = opened.convert("RGB")
        for kind in (None, *kinds):
            path = file
            if kind is not None:
                copy, options = changed(image, kind)
                path = folder / f"{number} {kind}.jpg"
                copy.save(path, "JPEG", **options)
            pages.append(prepare_page(path, name=path.name, config=config))
            source.append(number)
            kind_of.append(kind)
    traits = [extract_metadata(page.page, page.box) for page in pages]
    clusters = page_clusters(
        AuditedPages(
            traits,
            [page.pixel_hash for page in pages],
            np.array([page.perceptual_hash for page in pages]),
        )
    ).index
    origin = {number: clusters[row] for row, number in enumerate(source) if kind_of[row] is None}
    found = {
        kind: sum(clusters[row] == origin[source[row]] for row, each in enumerate(kind_of) if each == kind)
        for kind in kinds
    }
    strangers = len(origin) - len({*origin.values()})
    return {"pages": len(files), "found": {kind: int(n) for kind, n in found.items()}, "strangers_joined": strangers}


def header(manifest: Path, cache: Path) -> dict[str, object]:
    """AUROC of the printed margins with whole groups in folds, and with rows dealt out one by one."""
    cohort = read_cohort(manifest, SHARED.cohort, outcome="")
    with PageCache(cache) as pages:
        cohort, page_index = index_pages(cohort, RunContext(SHARED, pages, NoProgress()))
    levels = np.array([facts.metadata.margin_levels for facts in page_index.facts], np.float64)
    groups = group_records(cohort, page_index, SHARED).index
    result = {}
    for name, by in (("whole_groups", groups), ("row_by_row", np.arange(len(cohort)))):
        probe = cross_validated_auroc(levels, cohort.labels, by, seed=0, name=name, shortcut=True)
        result[name] = (
            None if probe is None else [round(value or 0, 3) for value in (probe.auroc, probe.low, probe.high)]
        )
    return result


def timed(table: Path, cache: Path) -> list[dict[str, float]]:
    """Wall and CPU seconds of the command, twice: pages unread, then known."""
    found = []
    for number in range(2):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "cardiograph",
            "audit",
            str(table),
            "--out",
            str(cache / f"audit{number}"),
            "--json",
        ]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=os.environ | {"CARDIOGRAPH_CACHE": str(cache)}
        )
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found.append({"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "files": json.loads(done.stdout)["files"]})
    return found


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CARDIOGRAPH_SHARED", "../shared")))
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--copied", type=int, default=60)
    options = parser.parse_args()
    result: dict[str, object] = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load_before": os.getloadavg()[0],
    }
    labels = np.arange(20_000) % 2
    values = filled(simulate_from_label(labels, np.random.default_rng(0)))
    simulated = cross_validated_auroc(values, labels, np.arange(20_000), seed=0, name="", shortcut=False)
    result["simulator_auroc"] = None if simulated is None else round(simulated.auroc, 4)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        os.environ["CARDIOGRAPH_CACHE"] = str(here / "cache")
        manifest = options.shared / "data" / "ecg-pages" / "manifest.csv"
        table = write_cohort(here / "synthetic", patients=options.pages, seed=5, workers=available_threads())
        with table.open(newline="") as lines:
            header_row, *rows = csv.reader(lines)
        with table.open("w", newline="") as lines:
            csv.writer(lines).writerows([header_row, *rows[: options.pages]])
        result["synthetic_pages"] = timed(table, here / "timing")
        drawn = sorted((here / "synthetic" / "pages").iterdir())[:: max(1, options.pages // options.copied)]
        (here / "copies").mkdir()
        result["near_copies_synthetic"] = near_copies(drawn, here / "copies")
        if manifest.exists():
            audit = audit_cohort(manifest, SHARED)
            result["shared"] = {
                "files": audit.files,
                "different": audit.different,
                "classes": audit.classes,
                "blocks": [finding.code for finding in audit.blocks],
                "split": audit.split,
            }
            files = sorted((manifest.parent / "images").glob("*.jpg"))
            result["near_copies_shared"] = near_copies(files[:: max(1, len(files) // options.copied)], here / "copies")
            result["header"] = header(manifest, here / "cache")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
