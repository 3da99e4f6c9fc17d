"""Whether copies of an ECG are found by their leads or by their pictures, and different ECGs are not.

Each page of ``pages-ludb`` is digitised and compared with the recordings of LUDB; recordings of PTB-XL and the shared
pages are compared with each other. Grey, badly compressed copies of every twelfth shared page and of ``pages-ludb``,
whose leads often cannot be read, are compared with their originals. Distances up to the threshold count as copies.

    python benchmarks/signal_copies.py --cache /tmp/pages > signal_copies.json
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cached_ecgs import read_cached
from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.pages import prepare_ecg, shown_on_page
from cardiograph.ecg.signal_hash import signal_hash
from cardiograph.errors import EcgError, PageError
from cardiograph.imaging.hashing import (
    HASH_BYTES,
    NEAR_COPY_THRESHOLD,
    hashes_of_width,
    near_copies_between,
    near_copy_distance,
    near_copy_pairs,
    split_hashes,
)

SHARED = Path(__file__).resolve().parents[2] / "shared"


BAD_COPIES = {"grey, quality 10": (1.0, 10), "grey, 0.7, quality 10": (0.7, 10), "grey, 0.5, quality 20": (0.5, 20)}
"""Scale and JPEG quality of each copy."""


def hash_of(ecg: Ecg) -> NDArray[np.uint8]:
    """Return the hash that a run compares."""
    return signal_hash(shown_on_page(ecg))


def distances(hashes: list[NDArray[np.uint8]], others: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Return [hashes, others] distances."""
    table = np.array(others)
    return np.array([near_copy_distance(each, table) for each in hashes])


def nearest_others(hashes: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Return the distance of each ECG to its nearest other, ascending."""
    found = distances(hashes, hashes)
    np.fill_diagonal(found, np.inf)
    return np.sort(found.min(axis=1))


def pages_with_recordings(cache: Path | None) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Return the hashes of the readable pages of ``pages-ludb``, and those of their recordings."""
    pages, recordings = [], []
    for path in sorted((SHARED / "data" / "pages-ludb").glob("*.png")):
        try:
            pages.append(hash_of(read_cached(path, cache)))
        except EcgError:
            continue
        record = SHARED / "data" / "ludb" / "data" / f"{int(path.stem)}.hea"
        file = prepare_ecg(record, name=record.name, config=PagesConfig(), needs="leads")
        recordings.append(file.page.perceptual_hash[:HASH_BYTES])
    return pages, recordings


def keys_of(source: Path | bytes) -> NDArray[np.uint8] | None:
    """Return the [3072] hashes of leads and picture; None for a page that no run can use."""
    name = "copy" if isinstance(source, bytes) else source.name
    try:
        return prepare_ecg(source, name=name, config=PagesConfig(), needs="leads").page.perceptual_hash
    except PageError:
        return None


def bad_copy(path: Path, scale: float, quality: int) -> bytes:
    """Return a grey JPEG of a page."""
    grey = Image.open(path).convert("L")
    size = round(grey.width * scale), round(grey.height * scale)
    file = io.BytesIO()
    grey.resize(size, Image.Resampling.BILINEAR).save(file, "JPEG", quality=quality)
    return file.getvalue()


def bad_copies(paths: list[Path]) -> dict[str, dict[str, int]]:
    """Count the copies of some pages that are linked to their original, by both hashes and by one."""
    originals = {path: keys for path in paths if (keys := keys_of(path)) is not None and keys[:HASH_BYTES].any()}
    table, result = np.array(list(originals.values())), {}
    for name, (scale, quality) in BAD_COPIES.items():
        copies = {row: keys_of(bad_copy(path, scale, quality)) for row, path in enumerate(originals)}
        rows = [row for row, keys in copies.items() if keys is not None]
        keys = np.array([copies[row] for row in rows])
        unreadable = ~keys[:, :HASH_BYTES].any(axis=1)
        both, leads, picture = (
            near_copies_between(keys, table),
            *map(near_copies_between, split_hashes(keys), split_hashes(table)),
        )
        one = near_copies_between(hashes_of_width(keys, HASH_BYTES), hashes_of_width(table, HASH_BYTES))
        own = {
            kind: np.isin(np.arange(len(rows)), [copy for copy, page in pairs if rows[copy] == page])
            for kind, pairs in (("both", both), ("one", one), ("leads", leads), ("picture", picture))
        }
        result[name] = {
            "copies": len(copies),
            "no_page": len(copies) - len(rows),
            "leads_unreadable": int(unreadable.sum()),
            "unreadable_found": int((own["both"] & unreadable).sum()),
            "unreadable_found_with_one_hash": int((own["one"] & unreadable).sum()),
            "readable_found": int((own["both"] & ~unreadable).sum()),
            "readable_found_by_leads": int((own["leads"] & ~unreadable).sum()),
            "readable_found_by_picture": int((own["picture"] & ~unreadable).sum()),
            "linked_to_another_page": sum(rows[copy] != page for copy, page in both.tolist()),
        }
    return result


def joined(paths: list[Path]) -> dict[str, object]:
    """Count the pairs of different ECGs that each hash joins."""
    keys = np.array([found for path in paths if (found := keys_of(path)) is not None])
    leads, picture = split_hashes(keys)
    return {
        "ecgs": len(keys),
        "joined_by_leads": len(near_copy_pairs(leads)),
        "joined_by_picture": len(near_copy_pairs(picture)),
        "nearest_pictures": nearest_others(list(picture))[:5].tolist(),
    }


def main() -> None:
    """Print the distances as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="folder that keeps the digitised pages")
    parser.add_argument("--recordings", type=int, default=700, help="recordings of PTB-XL")
    arguments = parser.parse_args()
    pages, recordings = pages_with_recordings(arguments.cache)
    table = distances(pages, recordings)
    others = np.sort(table[~np.eye(len(table), dtype=bool)])
    ptb_xl = sorted((SHARED / "data" / "ptb-xl").rglob("*.hea"))[: arguments.recordings]
    shared = []
    images = sorted((SHARED / "data" / "ecg-pages" / "images").glob("*.jpg"))
    for path in images:
        try:
            shared.append(hash_of(read_cached(path, arguments.cache)))
        except EcgError:
            continue
    result = {
        "threshold": NEAR_COPY_THRESHOLD,
        "ludb": {
            "pages": len(pages),
            "found": int((np.diag(table) < NEAR_COPY_THRESHOLD).sum()),
            "largest_distance_of_a_pair": float(np.diag(table).max()),
            "smallest_distance_of_others": float(others[0]),
        },
        "ptb_xl": {
            "recordings": len(ptb_xl),
            "nearest_others": nearest_others([hash_of(read_cached(path, None)) for path in ptb_xl])[:5].tolist(),
        },
        "shared_pages": {"pages": len(shared), "nearest_others": nearest_others(shared)[:5].tolist()},
        "pictures_of_ptb_xl": joined(ptb_xl),
        "bad_copies_of_shared_pages": bad_copies(images[::12]),
        "bad_copies_of_ludb": bad_copies(sorted((SHARED / "data" / "pages-ludb").glob("*.png"))),
    }
    json.dump(result, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
