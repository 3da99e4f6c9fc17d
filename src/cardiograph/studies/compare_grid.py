"""Which models are compared, and the settings that each may choose from inside a fold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from cardiograph.config import RunConfig
from cardiograph.errors import ConfigError
from cardiograph.models.titles import BASELINES, GRAPH_MODELS, TITLES

DEFAULT = "default"
"""The configuration as it is, not tuned."""

MODELS: tuple[str, ...] = (DEFAULT, *GRAPH_MODELS, *BASELINES)
"""All that can be compared, in the order of printing."""

QUICK: tuple[str, ...] = (DEFAULT, *BASELINES)
"""What ``--quick`` compares."""

COMPONENTS: dict[str, tuple[Any, ...]] = {"fusion.image_components": (0, 64)}

GRID: dict[str, dict[str, tuple[Any, ...]]] = {
    DEFAULT: {},
    "sign": {"graph.space": ("fused", "learnt"), "model.votes": (False, True), **COMPONENTS},
    **{name: COMPONENTS for name in TITLES if name != "sign"},
}
"""Model -> settings by ``section.key``, each with the values tried; every combination is."""

Setting = Mapping[str, Any]


def settings_of(model: str, *, image: bool, tuned: bool) -> list[Setting]:
    """The settings that a model may choose from, at least one; an empty one is the configuration as it is.

    Args:
        model: One of :data:`MODELS`.
        image: Whether there is an image block, which alone has components.
        tuned: Whether it may choose.
    """
    if not tuned:
        return [{}]
    axes = {key: values for key, values in GRID[model].items() if image or key not in COMPONENTS}
    return [dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*axes.values())]


def configured(config: RunConfig, setting: Setting, *, seed: int) -> RunConfig:
    """A configuration with a setting laid over it."""
    content = config.model_dump()
    for name, value in setting.items():
        section, key = name.split(".")
        content[section] = {**content[section], key: value}
    return RunConfig.model_validate({**content, "seed": seed})


def title_of(model: str, config: RunConfig) -> str:
    """Name for people."""
    return f"Default ({TITLES[config.model.name]})" if model == DEFAULT else TITLES[model]


def chosen_models(names: str | None, *, quick: bool) -> tuple[str, ...]:
    """The models that ``--models`` names, separated by commas; all, or the quick ones, where it is not given.

    Raises:
        ConfigError: A name is unknown, the default is missing, or there is no baseline.
    """
    if names is None:
        return QUICK if quick else MODELS
    asked = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in asked if name not in MODELS]
    if unknown:
        message = f"--models {names}: {unknown[0]!r} is no model; allowed are {', '.join(MODELS)}"
        raise ConfigError(message)
    return _in_order(names, asked)


def _in_order(names: str, asked: Sequence[str]) -> tuple[str, ...]:
    if not set(asked) & set(BASELINES):
        message = f"--models {names}: nothing to be held against; add one of {', '.join(BASELINES)}"
        raise ConfigError(message)
    return tuple(name for name in MODELS if name in asked or name == DEFAULT)
