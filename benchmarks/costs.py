"""What 1, 10 and 100 million ECGs cost: the arithmetic behind docs/concepts/costs.md, from figures per record.

usage: python benchmarks/costs.py [--vcpu-hour 0.0408] [--gb-month 0.023]

Every figure per record was measured on one core of an AMD EPYC by the script that its line names. Prints the table of the
page in Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

MILLIONS = (1, 10, 100)

SIGNAL_S = 1 / 113
"""CPU seconds from a file of signals to its embedding (benchmarks/embed_signals.py)."""

PHOTO_S = 0.65
"""CPU seconds from a photograph to its leads, median of distorted pages (benchmarks/distorted_pages.py), and 0.01 on."""

LINK_S = 353e-6
"""CPU seconds to link a record among a million (benchmarks/million.py)."""

LINK_GROWTH = 196 / 8 / 10
"""How much longer one record takes if there are ten times as many (8 s for 100,000, 196 s for a million)."""

TRAIN_S = 398e-6
"""CPU seconds of SIGN for a record, its start and ten epochs (benchmarks/million.py)."""

ANSWER_S = SIGNAL_S + 0.9e-3
"""CPU seconds of an answer from a file of signals: as above, then search and network (benchmarks/million.py)."""

MEMORY_KB = 9.4
"""Most memory for a record of 512 values while it is linked and trained on (benchmarks/million.py)."""

CACHE_KB = 9.3 + 2.1
"""Entry in the cache: facts about the file, and embedding."""

LEADS_KB = 67
"""Further entry of a digitised page: its leads."""

FILE_KB = {"signals": 120, "photographs": 1000}
"""A file of 10 s, 12 leads, 500 Hz and 16 bit; an ordinary JPEG."""

NODE_GB = 28
"""Memory of a shard's machine that the system leaves: 32 GiB less the rest."""

QUERY_KB = 2.0
"""A record that is sent to a shard to be linked: 512 float32."""


def hours(seconds: float, records: float) -> float:
    """CPU hours of work that takes so many seconds a record."""
    return seconds * records / 3600


def lines(vcpu_hour: float, gb_month: float) -> list[tuple[str, Callable[[float], float], str]]:
    """Name, value for a number of records, and unit of each line of the table."""

    def link(records: float) -> float:
        return LINK_S * LINK_GROWTH ** len(str(int(records / 1e6))[1:])

    def shards(records: float) -> float:
        return max(1, -(-records * MEMORY_KB // (NODE_GB * 1e6)))

    def stored(records: float, kind: str) -> float:
        return records * (FILE_KB[kind] + CACHE_KB + (LEADS_KB if kind == "photographs" else 0)) / 1e6

    return [
        ("read and embed signals", lambda n: hours(SIGNAL_S, n), "CPU hours"),
        ("the same", lambda n: hours(SIGNAL_S, n) * vcpu_hour, "USD"),
        ("read, digitise and embed photographs", lambda n: hours(PHOTO_S + 0.01, n), "CPU hours"),
        ("the same", lambda n: hours(PHOTO_S + 0.01, n) * vcpu_hour, "USD"),
        ("link", lambda n: hours(link(n), n), "CPU hours"),
        ("train SIGN, ten epochs", lambda n: hours(TRAIN_S, n), "CPU hours"),
        ("link and train", lambda n: hours(link(n) + TRAIN_S, n) * vcpu_hour, "USD"),
        ("answer as many patients", lambda n: hours(ANSWER_S, n), "CPU hours"),
        ("memory while linking and training", lambda n: n * MEMORY_KB / 1e6, "GB"),
        ("machines of 32 GiB for that, a shard each", shards, ""),
        ("sent to other shards while linking", lambda n: n * QUERY_KB * (shards(n) - 1) / 1e6, "GB"),
        ("files of signals and cache", lambda n: stored(n, "signals"), "GB"),
        ("photographs and cache", lambda n: stored(n, "photographs"), "GB"),
        ("photographs and cache, stored", lambda n: stored(n, "photographs") * gb_month, "USD a month"),
    ]


def table(vcpu_hour: float, gb_month: float) -> str:
    """The table in Markdown."""
    head = ["what", *(f"{each} M" for each in MILLIONS), "unit"]
    rows = [head, ["---"] * len(head)]
    for name, value, unit in lines(vcpu_hour, gb_month):
        rows.append([name, *(_shown(value(each * 1e6)) for each in MILLIONS), unit])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vcpu-hour", type=float, default=0.0408, help="price of a core for an hour, USD")
    parser.add_argument("--gb-month", type=float, default=0.023, help="price of a stored gigabyte for a month, USD")
    options = parser.parse_args()
    print(table(options.vcpu_hour, options.gb_month))


if __name__ == "__main__":
    main()
