"""Options of a comparison: models, settings to choose from, folds and curves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiograph.config import RunConfig
from cardiograph.errors import ConfigError
from cardiograph.registry import BASELINES, GRAPH_MODELS, TITLES
from cardiograph.studies.compare.fold_data import FoldPlace
from cardiograph.studies.compare.kinds import KINDS, Kind, models_of

DEFAULT = "default"
"""Name of the model with the given configuration, which is not tuned."""


MODELS: tuple[str, ...] = (DEFAULT, *GRAPH_MODELS, *BASELINES)
"""All models that can be compared on labels, in the order of the output."""


QUICK_MODELS: tuple[str, ...] = (DEFAULT, *BASELINES)
"""Models of ``--quick``."""


IMAGE_COMPONENTS: dict[str, tuple[Any, ...]] = {"fusion.image_components": (0, 64)}
"""Setting for the principal components of the image block; 0 keeps all features."""


GRID: dict[str, dict[str, tuple[Any, ...]]] = {
    DEFAULT: {},
    "sign": {"graph.space": ("fused", "learnt"), "model.votes": (False, True), **IMAGE_COMPONENTS},
    **{name: IMAGE_COMPONENTS for name in TITLES if name != "sign"},
}
"""Model -> settings by ``section.key`` with the values to try, in all combinations."""


Setting = Mapping[str, Any]
"""``section.key`` -> value."""

_WITHOUT: dict[Kind, tuple[str, ...]] = {
    "binary": (),
    "multiclass": ("graph.space",),
    "multilabel": ("graph.space", "model.votes"),
    "survival": ("graph.space", "model.votes"),
}
"""Kind of outcome -> settings that it does not have."""


def settings_of(model: str, *, image: bool, tuned: bool, kind: Kind = "binary") -> list[Setting]:
    """Return the settings that a model may choose from, at least one; an empty one keeps the configuration.

    Args:
        model: One of :data:`MODELS`.
        image: Whether there is an image block, the only block with components.
        tuned: Whether the model may choose.
        kind: Kind of outcome. Only a binary outcome has a learnt space, and several labels or the time to an event have no
            votes.
    """
    if not tuned:
        return [{}]
    without = {*(() if image else IMAGE_COMPONENTS), *_WITHOUT[kind]}
    axes = {key: values for key, values in GRID.get(model, IMAGE_COMPONENTS).items() if key not in without}
    return [dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*axes.values())]


def configured(config: RunConfig, setting: Setting, *, seed: int) -> RunConfig:
    """Return a configuration with a setting and a seed."""
    content = config.model_dump()
    for name, value in setting.items():
        section, key = name.split(".")
        content[section] = {**content[section], key: value}
    return RunConfig.model_validate({**content, "seed": seed})


def model_title(model: str, config: RunConfig, kind: Kind = "binary") -> str:
    """Return the title of a model."""
    titles = KINDS[kind].titles
    return f"Default ({titles[config.model.name]})" if model == DEFAULT else titles[model]


def chosen_models(names: str | None, *, quick: bool, kind: str = "auto") -> tuple[str, ...]:
    """Return the models of a comparison, the default included.

    Args:
        names: Names separated by commas; None for all models, or the quick ones.
        quick: Whether the comparison is a quick one.
        kind: Value of ``outcome.kind``.

    Raises:
        ConfigError: If a name is unknown or there is no baseline.
    """
    known = models_of(kind)
    if names is None:
        return (DEFAULT, *(() if quick else known.graph_models), *known.baselines)
    return require_models([name.strip() for name in names.split(",") if name.strip()], kind=kind)


def require_models(requested: Sequence[str], *, kind: str) -> tuple[str, ...]:
    """Return the requested models and the default, in the order of the output.

    Args:
        requested: Names of models.
        kind: Value of ``outcome.kind``.

    Raises:
        ConfigError: If a name is unknown or there is no baseline.
    """
    known = models_of(kind)
    allowed, option = (DEFAULT, *known.graph_models, *known.baselines), f"--models {','.join(requested)}"
    unknown = [name for name in requested if name not in allowed]
    if unknown:
        what = "a model of the time to an event" if kind == "survival" else "a model"
        message = f"{option}: {unknown[0]!r} is not {what}; allowed are {', '.join(allowed)}"
        raise ConfigError(message)
    if not set(requested) & set(known.baselines):
        message = f"{option}: there is no baseline to compare with; add one of {', '.join(known.baselines)}"
        raise ConfigError(message)
    return tuple(name for name in allowed if name in requested or name == DEFAULT)


FOLDS, REPEATS = 5, 5
"""Default numbers of folds and repeats."""

THRESHOLDS = (0.1, 0.2, 0.3)
"""Default thresholds of net benefit."""


@dataclass(frozen=True)
class CompareOptions:
    """Extent of a comparison.

    Args:
        models: Models to compare, including the default; empty for all of the kind of outcome.
        folds: Number of folds per repeat.
        repeats: Number of repeats.
        tuned: Whether models choose their settings inside each fold.
        thresholds: Thresholds of net benefit, each above 0 and below 1.
        scarcity: Whether to make the curve over labels.
        missingness: Whether to make the curve over measurements.
        own_split: Whether to use the split of the table instead of folds.
        quick: Whether the comparison is a quick one.
        workers: Number of processes; None for one per core.
        richest_only: Whether to use only the modality with the most information.
    """

    models: tuple[str, ...] = ()
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
    def places(self) -> tuple[FoldPlace, ...]:
        """Pairs of repeat and fold; a single pair for the split of the table."""
        if self.own_split:
            return ((0, 0),)
        return tuple((repeat, fold) for repeat in range(self.repeats) for fold in range(self.folds))


@dataclass(frozen=True)
class CompareRequest:
    """Options of the command line; None if not given.

    Args:
        models: Value of ``--models``, names separated by commas.
        folds: Value of ``--folds``.
        repeats: Value of ``--repeats``.
        net_benefit_at: Value of ``--net-benefit-at``, thresholds separated by commas.
        jobs: Value of ``--jobs``.
    """

    models: str | None = None
    folds: int | None = None
    repeats: int | None = None
    net_benefit_at: str | None = None
    jobs: int | None = None


def options_of(
    requested: CompareRequest,
    *,
    quick: bool = False,
    tuned: bool = True,
    curves: tuple[bool, bool] = (False, False),
    own_split: bool = False,
    kind: str = "auto",
) -> CompareOptions:
    """Check the options of the command line and fill in defaults.

    Args:
        requested: Options with a value.
        quick: Whether the defaults are one repeat and fewer models.
        tuned: Whether models choose their settings.
        curves: Whether to make the curves over labels and over measurements.
        own_split: Whether to use the split of the table.
        kind: Value of ``outcome.kind``.

    Raises:
        ConfigError: If a number is out of range, a name or threshold is invalid, or options contradict each other.
    """
    for option, value, low, why in (
        ("--folds", requested.folds, 2, "each fold needs others for training; the default is 5"),
        ("--repeats", requested.repeats, 1, "the default is 5, and 1 with --quick"),
        ("--jobs", requested.jobs, 1, "1 runs everything in this process"),
    ):
        if value is not None and value < low:
            message = f"{option} {value}: at least {low}; {why}"
            raise ConfigError(message)
    if own_split and (requested.folds is not None or requested.repeats is not None):
        message = "--own-split uses the single split of the table; leave out --folds and --repeats, or --own-split"
        raise ConfigError(message)
    return CompareOptions(
        models=chosen_models(requested.models, quick=quick, kind=kind),
        folds=requested.folds or FOLDS,
        repeats=requested.repeats or (1 if quick else REPEATS),
        tuned=tuned,
        thresholds=_thresholds(requested.net_benefit_at),
        scarcity=curves[0],
        missingness=curves[1],
        own_split=own_split,
        quick=quick,
        workers=requested.jobs,
    )


def _thresholds(text: str | None) -> tuple[float, ...]:
    if text is None:
        return THRESHOLDS
    try:
        found = tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        found = ()
    if not found or not all(0 < each < 1 for each in found):
        message = f"--net-benefit-at {text}: expected risks above 0 and below 1, separated by commas, such as 0.1,0.2"
        raise ConfigError(message)
    return found
