"""A finished comparison as files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiograph.artifacts.run import RunDirectory
from cardiograph.studies.compare_result import CompareResult


def write_results(directory: RunDirectory, result: CompareResult, about: Mapping[str, Any]) -> None:
    """Write ``compare.json``.

    Args:
        directory: Of the comparison.
        result: All tables.
        about: ``command``, ``data_hash`` and ``config_toml``.
    """
    directory.write_json("compare.json", {**result.as_dict(), "about": dict(about)})
