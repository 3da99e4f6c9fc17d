"""Faults of published pipelines as switches of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from cardiograph.config import RunConfig, load_config
from cardiograph.config_reading import Section
from cardiograph.errors import ConfigError


class Faults(Section):
    """Faults to inject; none by default. Source: faults found in the reference pipeline."""

    simulated_from_label: bool = Field(False, description="Clinical values are drawn from the label, in test rows too.")
    duplicates_across_split: bool = Field(False, description="Rows are split one by one, despite copies.")
    augment_before_split: bool = Field(False, description="Augmented copies are made first and split like records.")
    one_source_augmentation: bool = Field(
        False, description="All copies come from the first page of the class; its other pages are dropped."
    )
    mirrored_ecg: bool = Field(False, description="Augmentation may flip a page, which reverses time.")
    header_in_view: bool = Field(False, description="The encoder sees the whole page with its printed header.")
    unscaled_blocks: bool = Field(False, description="Image and clinical values are concatenated without scaling.")
    reversed_edges: bool = Field(False, description="The neighbours of a record are the records that list it.")
    separate_test_graph: bool = Field(False, description="Validation and test records form separate graphs.")
    patient_in_validation_graph: bool = Field(False, description="A new patient is attached to validation records.")
    silent_zero_image: bool = Field(False, description="An unreadable page becomes 512 zeros.")
    positive_is_normal: bool = Field(False, description="Label 0 is evaluated as the positive class.")

    def on(self) -> tuple[str, ...]:
        """Return the names of the active faults, in the order of ``FAULTS``."""
        return tuple(name for name in FAULTS if getattr(self, name))

    def without(self, *names: str) -> Faults:
        """Return a copy with some faults switched off."""
        return self.model_copy(update=dict.fromkeys(names, False))


FAULTS: tuple[str, ...] = tuple(Faults.model_fields)
"""All faults, in the order in which a ladder removes them."""


class FaultyConfig(RunConfig):
    """Configuration with faults."""

    faults: Faults = Faults()


THESIS: dict[str, Any] = {
    "audit": {"accept": ["split_parts_groups", "copies_with_different_labels"]},
    "balance": {"mode": "augment"},
    "model": {
        "name": "gcn",
        "baselines": ("gat", "mlp", "logistic"),
        "epochs": 30,
        "patience": 30,
        "weight_decay": 0.0,
        "modality_dropout": 0.0,
    },
    "encoder": {"name": "resnet18", "weights": "imagenet", "readout": "final"},
    "evaluation": {"calibration": "none"},
    "faults": dict.fromkeys(FAULTS, True),
}
"""Overrides of the defaults that give the reference pipeline: settings, faults and accepted audit codes."""

PRESETS: dict[str, dict[str, Any]] = {"thesis": THESIS}


def load_settings(path: Path | None, overrides: dict[str, Any], *, preset: str | None = None) -> RunConfig:
    """Read a configuration that may have a ``[faults]`` section.

    Args:
        path: TOML file, or None.
        overrides: Values that override the file, nested by section.
        preset: Name of a preset, such as ``thesis``, which file and overrides override.

    Returns:
        A :class:`FaultyConfig` with the settings of the faults if one is switched on, otherwise a plain configuration.

    Raises:
        ConfigError: See :func:`cardiograph.config.load_config`; also if the preset is unknown.
    """
    if preset is not None and preset not in PRESETS:
        message = f"--preset {preset!r}: unknown preset; available: {', '.join(PRESETS)}"
        raise ConfigError(message)
    config = load_config(path, overrides, kind=FaultyConfig, base=PRESETS.get(preset or "", {}))
    return with_faults(config, config.faults)


def with_faults(config: RunConfig, faults: Faults) -> RunConfig:
    """Return a configuration with exactly these faults and the settings that belong to them.

    Args:
        config: Configuration with or without faults.
        faults: Faults to switch on.
    """
    content = config.model_dump(exclude={"faults"})
    if not faults.on():
        return RunConfig.model_validate(content)
    for section, key, value in _settings(faults):
        content[section] = {**content[section], key: value}
    return FaultyConfig.model_validate(content | {"faults": faults.model_dump()})


def _settings(faults: Faults) -> Iterator[tuple[str, str, Any]]:
    """Yield section, key and value of the settings that express a fault; users may also choose these settings."""
    if faults.simulated_from_label:
        yield "clinical", "simulate", "label"
        yield "cohort", "modality", "image"
    if faults.mirrored_ecg:
        yield "balance", "flip", True
    if faults.header_in_view:
        yield "pages", "view", "whole"
        yield "pages", "box", None
