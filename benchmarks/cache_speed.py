"""How many ECGs a second the cache takes and gives back: facts and embedding of each, every entry committed at once.

usage: python benchmarks/cache_speed.py [--entries 20000]

Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cardiograph.artifacts.cache import PageCache

FACTS = {"perceptual_hash": "f" * 9_200}
"""As large as the facts of a page."""


def a_second(work: Callable[[int], object], entries: int) -> int:
    """Entries a second."""
    start = time.perf_counter()
    for entry in range(entries):
        work(entry)
    return round(entries / (time.perf_counter() - start))


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=20_000)
    entries = parser.parse_args().entries
    embedding = np.random.default_rng(0).random(512).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder, PageCache(Path(folder)) as cache:

        def keep(entry: int) -> None:
            cache.keep_embedding("encoder", f"{entry:064d}", embedding)
            cache.keep_facts(f"{entry:064d}", "preparation", FACTS)

        found = {
            "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
            "ECGs_kept_a_second": a_second(keep, entries),
            "embeddings_read_a_second": a_second(lambda entry: cache.embedding("encoder", f"{entry:064d}"), entries),
            "facts_read_a_second": a_second(lambda entry: cache.facts(f"{entry:064d}", "preparation"), entries),
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
