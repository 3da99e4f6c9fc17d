"""``cardiograph demo``: the whole pipeline on synthetic patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cardiograph.cli.assignments import assigned
from cardiograph.cli.options import AsJson, Assignments
from cardiograph.cli.run import run_and_show
from cardiograph.cli.synth import synthesise
from cardiograph.errors import ConfigError

DEMO: dict[str, Any] = {
    "outcome": {"name": "heart failure (synthetic)"},
    "split": {"train": 0.48, "val": 0.32, "test": 0.20},
    "bundle": {"ecgs": "traces"},
}
"""Settings of the demo, whose synthetic ECGs identify nobody.

A decision needs 50 validation records of each class, and about a quarter of the patients are positive; hence the large
validation part.
"""


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the cohort and the run.")] = Path("demo"),
    patients: Annotated[int, typer.Option(help="Number of synthetic patients.")] = 600,
    seed: Annotated[int, typer.Option(help="Random seed of the patients.")] = 1,
    set_: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Run the whole pipeline on synthetic patients, offline: generate, train, score, report.

    Takes one to three minutes. The run stores the synthetic ECGs, which `cardiograph serve` shows.
    """
    from cardiograph.artifacts.files import read_json
    from cardiograph.config import RunConfig, load_config

    settings = load_config(None, assigned(set_ or ()), kind=RunConfig, base=DEMO)
    table = out / "cohort" / "cohort.csv"
    truth = table.parent / "synthetic.json"
    if not truth.exists():
        synthesise(table.parent, patients, seed, "signals")
    facts = read_json(truth)
    if (facts.get("patients"), facts.get("seed")) != (patients, seed):
        message = (
            f"{out}: holds {facts.get('patients')} patients of seed {facts.get('seed')}, but the command requests "
            f"{patients} of seed {seed}; choose another folder with --out, or remove this one"
        )
        raise ConfigError(message)
    run_and_show(table, out / "run", settings, as_json=as_json)
