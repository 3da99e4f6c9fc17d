"""Whether a recording and a scan of its printout are found to be copies by their leads, and different ones are not.

Each page of ``pages-ludb`` is digitised and compared with the recordings of LUDB; recordings of PTB-XL and the shared
pages are compared with each other. Distances below the threshold count as copies.

    python benchmarks/signal_copies.py --cache /tmp/pages > signal_copies.json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cached_ecgs import read_cached
from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.pages import prepare_ecg, shown_on_page
from cardiograph.ecg.signal_hash import signal_hash
from cardiograph.errors import EcgError
from cardiograph.imaging.hashing import NEAR_COPY_THRESHOLD, near_copy_distance

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
        recordings.append(file.page.perceptual_hash)
    return pages, recordings


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
    for path in sorted((SHARED / "data" / "ecg-pages" / "images").glob("*.jpg")):
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
    }
    json.dump(result, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
