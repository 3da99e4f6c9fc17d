"""How good anyone can be on the synthetic cohort: exact Bayes AUROC on large draws, and whether it lies where it should.

Writes JSON to standard output and a table to standard error; exit code 1 if a requirement is missed.

    python benchmarks/bayes_ceiling.py --draws 200000 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from cardiograph.synthesis.ceiling import Ceilings, VariableAuroc, measure_ceilings, measure_single_variables


def requirements(ceilings: Ceilings, single: dict[str, VariableAuroc]) -> list[tuple[str, float, float, float]]:
    """Name, value, lowest and highest value allowed."""
    strongest = max(max(one.raw, one.posterior) for one in single.values())
    return [
        ("prevalence", ceilings.prevalence, 0.295, 0.305),
        ("all variables", ceilings.all, 0.90, 0.94),
        ("screening (no EF, no BNP)", ceilings.screening, 0.82, 0.87),
        ("all minus clinical alone", ceilings.all - ceilings.clinical, 0.04, 1.0),
        ("strongest single variable", strongest, 0.5, 0.85),
    ]


def measure(draws: int, seed: int) -> dict[str, Any]:
    """All figures of one seed."""
    ceilings = measure_ceilings(draws, np.random.default_rng(seed))
    single = measure_single_variables(draws, np.random.default_rng(seed))
    rows = [
        {"name": name, "value": round(value, 5), "low": low, "high": high, "met": low <= value <= high}
        for name, value, low, high in requirements(ceilings, single)
    ]
    return {
        "seed": seed,
        "ceilings": asdict(ceilings),
        "single": {name: asdict(one) for name, one in single.items()},
        "requirements": rows,
    }


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    results = [measure(options.draws, seed) for seed in options.seeds]
    print(json.dumps(results, indent=2))
    for result in results:
        for row in result["requirements"]:
            verdict = "met" if row["met"] else "MISSED"
            allowed = f"{row['low']:.3f}-{row['high']:.3f}"
            print(f"seed {result['seed']}  {row['name']:28} {row['value']:.4f}  {allowed}  {verdict}", file=sys.stderr)
    return 0 if all(row["met"] for result in results for row in result["requirements"]) else 1


if __name__ == "__main__":
    sys.exit(main())
