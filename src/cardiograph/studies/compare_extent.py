"""How much a comparison compares, from the options of the command."""

from __future__ import annotations

from dataclasses import dataclass

from cardiograph.errors import ConfigError
from cardiograph.studies.compare_bench import Place
from cardiograph.studies.compare_grid import MODELS, chosen_models

FOLDS, REPEATS = 5, 5
THRESHOLDS = (0.1, 0.2, 0.3)


@dataclass(frozen=True)
class Extent:
    """How much is compared.

    Args:
        models: Compared, the default among them.
        folds: In each repeat.
        repeats: Of the folds.
        tuned: Whether models choose their settings inside each fold.
        thresholds: Of net benefit.
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
class Asked:
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


def extent_of(
    asked: Asked,
    *,
    quick: bool = False,
    tuned: bool = True,
    curves: tuple[bool, bool] = (False, False),
    own_split: bool = False,
) -> Extent:
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
    return Extent(
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
