"""The faults of published pipelines as switches of a configuration; each is the name that SPEC's table gives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from cardiograph.config import RunConfig, Section, load_config
from cardiograph.errors import ConfigError


class Faults(Section):
    """Which faults are switched on; none by default. Source: the faults found in the reference pipeline, one by one."""

    simulated_from_label: bool = Field(False, description="Clinical values are drawn from the label, in test rows too.")
    duplicates_across_split: bool = Field(False, description="Rows are split one by one, whatever they are copies of.")
    augment_before_split: bool = Field(False, description="Augmented copies are made first and split like records.")
    one_source_augmentation: bool = Field(
        False, description="All copies come from the class's first page; its other pages are dropped."
    )
    mirrored_ecg: bool = Field(False, description="Augmentation may flip a page, which reverses time.")
    header_in_view: bool = Field(False, description="The encoder sees the whole page with its printed header.")
    unscaled_blocks: bool = Field(False, description="Image and clinical values are concatenated as they are.")
    reversed_edges: bool = Field(False, description="A record hears those who list it as a neighbour.")
    separate_test_graph: bool = Field(False, description="Validation and test records are graphs of their own.")
    patient_in_validation_graph: bool = Field(False, description="A new patient is attached to validation records.")
    silent_zero_image: bool = Field(False, description="A page that cannot be read becomes 512 zeros.")
    positive_is_normal: bool = Field(False, description="Scores take label 0 as the positive class.")

    def on(self) -> tuple[str, ...]:
        """Names of the faults that are switched on, in the order of the table."""
        return tuple(name for name in FAULTS if getattr(self, name))

    def without(self, *names: str) -> Faults:
        """The same with some switched off."""
        return self.model_copy(update=dict.fromkeys(names, False))


FAULTS: tuple[str, ...] = tuple(Faults.model_fields)
"""All switches, in the order in which a ladder takes them away."""


class FaultyConfig(RunConfig):
    """A configuration with faults; without any it is a plain one."""

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
    "encoder": {"readout": "final"},
    "evaluation": {"calibration": "none"},
    "faults": dict.fromkeys(FAULTS, True),
}
"""The reference pipeline as overrides of the defaults: its settings, its faults, and the audit codes it has to accept."""

PRESETS: dict[str, dict[str, Any]] = {"thesis": THESIS}


def load_settings(path: Path | None, overrides: dict[str, Any], *, preset: str | None = None) -> RunConfig:
    """Read a configuration that may have a ``[faults]`` section.

    Args:
        path: TOML file, or None.
        overrides: Laid over it, nested by section.
        preset: ``thesis``: lies below both.

    Returns:
        A :class:`FaultyConfig` where a fault is switched on, with the settings that belong to it; else a plain one.

    Raises:
        ConfigError: As :func:`cardiograph.config.load_config`, and for an unknown preset.
    """
    if preset is not None and preset not in PRESETS:
        message = f"--preset {preset!r}: no such preset; there is {', '.join(PRESETS)}"
        raise ConfigError(message)
    config = load_config(path, overrides, kind=FaultyConfig, base=PRESETS.get(preset or "", {}))
    return with_faults(config, config.faults)


def with_faults(config: RunConfig, faults: Faults) -> RunConfig:
    """A configuration with these faults and no others; settings that express a fault are set.

    Args:
        config: Plain or not.
        faults: To be switched on.
    """
    content = config.model_dump(exclude={"faults"})
    if not faults.on():
        return RunConfig.model_validate(content)
    for section, key, value in _settings(faults):
        content[section] = {**content[section], key: value}
    return FaultyConfig.model_validate(content | {"faults": faults.model_dump()})


def _settings(faults: Faults) -> Iterator[tuple[str, str, Any]]:
    """Faults that a setting of the sound program can express, since a user may have reasons for it."""
    if faults.simulated_from_label:
        yield "clinical", "simulate", "label"
        yield "cohort", "modality", "image"
    if faults.mirrored_ecg:
        yield "balance", "flip", True
    if faults.header_in_view:
        yield "pages", "view", "whole"
        yield "pages", "box", None
