"""The folders of a run with several labels: a finished run for each label, and a summary of all."""

from __future__ import annotations

from pathlib import Path

from cardiograph.artifacts import files
from cardiograph.errors import RunError

LABELS_FILE = "labels.json"
"""Summary of a run with several labels."""


def label_folders(path: Path) -> dict[str, Path]:
    """Return label -> folder of its run; empty unless ``path`` is the folder of a finished run with several labels."""
    if not (path / LABELS_FILE).is_file():
        return {}
    labels = files.read_json(path / LABELS_FILE).get("labels")
    if not isinstance(labels, dict):
        message = f"run {path}: {LABELS_FILE} lists no labels; make the run again"
        raise RunError(message)
    return {name: path / name for name in labels if (path / name).parent == path}


def refuse_several_labels(path: Path) -> None:
    """Raise RunError if a folder holds a run with several labels, which the caller cannot use."""
    if folders := label_folders(path):
        places = ", ".join(str(folder) for folder in folders.values())
        message = f"run {path}: predicts several labels, and this works with one; give the folder of a label: {places}"
        raise RunError(message)
