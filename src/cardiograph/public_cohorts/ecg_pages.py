"""ECG Images dataset of Cardiac Patients: printed pages in four classes, in class folders or with a manifest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cardiograph.errors import CohortError
from cardiograph.public_cohorts.adapter import Adapter, Imported, Row, Source
from cardiograph.public_cohorts.files import existing, read_rows
from cardiograph.regular_files import read_regular

CONTENTS = (
    "the release of Mendeley Data gwbz3fsgp8, unpacked: a folder of JPEG pages for each of the four classes (normal "
    "person, abnormal heartbeat, myocardial infarction, history of MI); or manifest.csv with images/"
)
CLASSES = ("normal", "abnormal_heartbeat", "myocardial_infarction", "history_of_mi")
IMAGES = frozenset({".jpg", ".jpeg", ".png"})


def read(source: Source) -> Imported:
    """Read the manifest if there is one, otherwise the folders of the classes."""
    traps: Counter[str] = Counter()
    manifest = source.folder / "manifest.csv"
    files = list(_manifest(source, manifest, traps) if manifest.is_file() else _folders(source, traps))
    classes: dict[str, set[str]] = {}
    for digest, name, _ in files:
        classes.setdefault(digest, set()).add(name)
    rows: dict[str, Row] = {}
    labels: dict[str, str] = {}
    for digest, name, path in files:
        if len(classes[digest]) > 1:
            traps["the same image is in several classes; left out (files)"] += 1
        elif digest in rows:
            traps["exact copy of an image already read; left out (files)"] += 1
        else:
            rows[digest] = {"record_id": f"page-{digest[:12]}", "ecg": path}
            labels[digest] = name
    traps["no patient numbers: the printed ID is none, so two pages may be of one patient (pages)"] = len(rows)
    traps["the classes are not heart failure, and there are no clinical values (pages)"] = len(rows)
    named = list(labels.values())
    abnormal = [str(int(name != "normal")) for name in named]
    return Imported(list(rows.values()), {"class": named, "abnormal": abnormal}, [], traps)


def _manifest(source: Source, path: Path, traps: Counter[str]) -> Iterator[tuple[str, str, str]]:
    """Yield digest, class and path of each file."""
    records = read_rows(path, ["class", "image", "sha256_of_original"], CONTENTS)
    unknown = {record["class"] for record in records} - set(CLASSES)
    if unknown:
        message = f"{path}: unknown class {', '.join(sorted(unknown))}; the classes are {', '.join(CLASSES)}"
        raise CohortError(message)
    images = [source.folder / record["image"] for record in records]
    for record, image in zip(*existing(records, images, traps, path, CONTENTS), strict=True):
        yield record["sha256_of_original"], record["class"], image


def _folders(source: Source, traps: Counter[str]) -> Iterator[tuple[str, str, str]]:
    """Yield digest, class and path of each image in the folders of the classes, sorted."""
    folders = {path: _class_of(path.name) for path in sorted(source.folder.rglob("*")) if path.is_dir()}
    found = {path: name for path, name in folders.items() if name and any(map(_is_image, path.iterdir()))}
    missing = [name for name in CLASSES if name not in found.values()]
    if missing:
        message = f"{source.folder}: has no manifest.csv and no folder for {', '.join(missing)}; needed: {CONTENTS}"
        raise CohortError(message)
    traps["no JPEG or PNG; left out (files)"] = sum(
        path.is_file() and not _is_image(path) for folder in found for path in folder.iterdir()
    )
    images = [(path, name) for folder, name in found.items() for path in sorted(folder.iterdir()) if _is_image(path)]
    source.progress.start("comparing pages", len(images), unit="pages")
    for path, name in images:
        yield hashlib.sha256(read_regular(path)).hexdigest(), name, str(path)
        source.progress.advance()


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGES and path.is_file()


def _class_of(folder: str) -> str:
    """Return the class of a folder such as ``ECG Images of Patient that have History of MI (172x12=2064)``."""
    words = folder.lower().replace("_", " ")
    for sign, name in (
        ("history", "history_of_mi"),
        ("abnormal", "abnormal_heartbeat"),
        ("infarction", "myocardial_infarction"),
        ("normal", "normal"),
    ):
        if sign in words:
            return name
    return ""


ADAPTER = Adapter(
    name="ecg-pages",
    title="ECG Images dataset of Cardiac Patients: 928 printed pages (491 different) in four classes",
    licence="Creative Commons Attribution 4.0 International (CC BY 4.0)",
    citation=(
        "Khan AH, Hussain M. ECG Images dataset of Cardiac Patients. Mendeley Data, version 2, 2021. "
        "https://doi.org/10.17632/gwbz3fsgp8.2"
    ),
    contents=CONTENTS,
    outcomes={"class": f"one of {', '.join(CLASSES)}", "abnormal": "any class but normal"},
    read=read,
)
