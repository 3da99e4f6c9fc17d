"""A run as its configuration asks for it: sound, or with the faults that are switched on."""

from __future__ import annotations

from pathlib import Path

from cardiograph.config import RunConfig
from cardiograph.pipeline import RunResult, run
from cardiograph.progress import Progress
from cardiograph.studies.faults import Faults, FaultyConfig
from cardiograph.studies.thesis_faults import protocol_of


def run_as_configured(
    source: Path, out: Path, config: RunConfig, *, progress: Progress | None = None, command: str = ""
) -> RunResult:
    """Make a run, see :func:`cardiograph.pipeline.run`.

    One with faults says so at the top of its report, and in every answer of its model.
    """
    faults = config.faults if isinstance(config, FaultyConfig) else Faults()
    return run(source, out, config, progress=progress, command=command, protocol=protocol_of(faults))
