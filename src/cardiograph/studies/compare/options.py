"""How much a comparison compares, from the options of the command."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiograph.config import RunConfig
from cardiograph.errors import ConfigError
from cardiograph.registry import BASELINES, GRAPH_MODELS, TITLES
from cardiograph.studies.compare.fold_data import Place

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


FOLDS, REPEATS = 5, 5


THRESHOLDS = (0.1, 0.2, 0.3)


@dataclass(frozen=True)
class CompareOptions:
    """How much is compared.

    Args:
        models: Compared, the default among them.
        folds: In each repeat.
        repeats: Repeats of the folds.
        tuned: Whether models choose their settings inside each fold.
        thresholds: Thresholds of net benefit.
        scarcity: Whether the curve over labels is made.
        missingness: Whether the curve over measurements is made.
        own_split: Whether the table's split is used in place of folds.
        quick: Whether it is called quick.
        workers: Processes; None for one a core.
        richest_only: Whether only the modality that knows most is read.
    """

    models: tuple[str, ...] = MODELS
    folds: int = FOLDS
    repeats: int = REPEATS
    tuned: bool = True
    thresholds: tuple[float, ...] = THRESHOLDS
    scarcity: bool = False
    missingness: bool = False
    own_split: bool = False
    quick: bool = False
    workers: int | None = None
    richest_only: bool = False

    @property
    def places(self) -> tuple[Place, ...]:
        """Repeats and folds; the one place of the table's own split."""
        if self.own_split:
            return ((0, 0),)
        return tuple((repeat, fold) for repeat in range(self.repeats) for fold in range(self.folds))


@dataclass(frozen=True)
class CompareRequest:
    """Options as they were given; None where one was not.

    Args:
        models: Names separated by commas.
        folds: ``--folds``.
        repeats: ``--repeats``.
        net_benefit_at: Thresholds separated by commas.
        jobs: ``--jobs``.
    """

    models: str | None = None
    folds: int | None = None
    repeats: int | None = None
    net_benefit_at: str | None = None
    jobs: int | None = None


def options_of(
    asked: CompareRequest,
    *,
    quick: bool = False,
    tuned: bool = True,
    curves: tuple[bool, bool] = (False, False),
    own_split: bool = False,
) -> CompareOptions:
    """What the options ask for.

    Args:
        asked: Options with a value.
        quick: One repeat and fewer models, unless they are given.
        tuned: Whether models choose their settings.
        curves: Whether those of labels and of measurements are made.
        own_split: Whether the table's split is used.

    Raises:
        ConfigError: A number is out of range, a name or threshold is unknown, or options contradict each other.
    """
    for option, value, low, why in (
        ("--folds", asked.folds, 2, "each fold is tested on and needs others to learn from; 5 is the default"),
        ("--repeats", asked.repeats, 1, "5 is the default, and 1 with --quick"),
        ("--jobs", asked.jobs, 1, "1 is this process alone"),
    ):
        if value is not None and value < low:
            message = f"{option} {value}: at least {low}; {why}"
            raise ConfigError(message)
    if own_split and (asked.folds is not None or asked.repeats is not None):
        message = "--own-split uses the one split of the table; leave out --folds and --repeats, or --own-split"
        raise ConfigError(message)
    return CompareOptions(
        models=chosen_models(asked.models, quick=quick),
        folds=asked.folds or FOLDS,
        repeats=asked.repeats or (1 if quick else REPEATS),
        tuned=tuned,
        thresholds=_thresholds(asked.net_benefit_at),
        scarcity=curves[0],
        missingness=curves[1],
        own_split=own_split,
        quick=quick,
        workers=asked.jobs,
    )


def _thresholds(text: str | None) -> tuple[float, ...]:
    if text is None:
        return THRESHOLDS
    try:
        found = tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        found = ()
    if not found or not all(0 < each < 1 for each in found):
        message = (
            f"--net-benefit-at {text}: risks at which one would act, above 0 and below 1, separated by commas: 0.1,0.2"
        )
        raise ConfigError(message)
    return found
