"""Settings of the outcome."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from cardiograph.config_reading import CohortConfig, Section
from cardiograph.errors import ConfigError

UNNAMED_OUTCOME = "positive class"
"""Default name of label 1."""

OutcomeKind = Literal["auto", "binary", "multiclass", "multilabel", "survival"]
"""Kind of outcome; ``auto`` finds it from the labels."""


def _absent(value: object) -> bool:
    """Return whether a setting is left out, so that the other kinds of outcome keep their configuration and its hash."""
    return value is None


class FollowUpConfig(Section):
    """Settings of a time-to-event outcome; each is absent for the other kinds of outcome."""

    time: str | None = Field(
        None,
        exclude_if=_absent,
        description="Column with the time from the ECG to the event or the last contact; naming it makes the outcome "
        "survival. By default time.",
    )
    event: str | None = Field(
        None, exclude_if=_absent, description="Column that says how follow-up ended; by default event."
    )
    unit: Literal["days", "weeks", "months", "years"] | None = Field(
        None, exclude_if=_absent, description="Unit of the time column and of the horizons; by default days."
    )
    horizons: tuple[float, ...] | None = Field(
        None,
        exclude_if=_absent,
        description="Times at which risks are reported and scored; by default quartiles of the event times in training.",
    )
    event_values: tuple[str, ...] | None = Field(
        None, exclude_if=_absent, description="Values of the event column that mean the event; by default 1."
    )
    censored_values: tuple[str, ...] | None = Field(
        None,
        exclude_if=_absent,
        description="Values that mean free of any event at the end of follow-up; by default 0.",
    )
    competing_values: tuple[str, ...] | None = Field(
        None, exclude_if=_absent, description="Values of events after which the event cannot happen; by default 2 to 9."
    )
    refits: int | None = Field(
        None,
        exclude_if=_absent,
        ge=2,
        le=200,
        description="Networks refitted on resampled training groups for the band of a curve; by default 20.",
    )

    @field_validator("horizons")
    @classmethod
    def _increasing(cls, horizons: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if horizons is not None and (not horizons or min(horizons) <= 0 or list(horizons) != sorted(set(horizons))):
            message = (
                f"horizons are {', '.join(f'{each:g}' for each in horizons) or 'empty'}; write increasing times above 0"
            )
            raise ValueError(message)
        return horizons

    @model_validator(mode="after")
    def _follow_up(self) -> Self:
        """Fill in the defaults of a time-to-event outcome; refuse its settings for another kind."""
        given = sorted(key for key in FOLLOW_UP_DEFAULTS if getattr(self, key) is not None)
        kind = getattr(self, "kind", "survival")
        if given and kind not in ("auto", "survival"):
            message = f"outcome.{given[0]} belongs to kind = 'survival', but outcome.kind is {kind!r}"
            raise ValueError(message)
        if kind == "survival" or self.time is not None:
            for key, value in {**self.filled(), "kind": "survival"}.items():
                object.__setattr__(self, key, value)
        elif given:
            message = (
                f"outcome.{given[0]} belongs to a time-to-event outcome; name the column with the time: --time COLUMN"
            )
            raise ValueError(message)
        return self

    def filled(self) -> dict[str, Any]:
        """Return the settings with the defaults of those that are absent; ``horizons`` has none."""
        given = {key: getattr(self, key) for key in FOLLOW_UP_DEFAULTS}
        return {key: FOLLOW_UP_DEFAULTS[key] if value is None else value for key, value in given.items()}


FOLLOW_UP_DEFAULTS: dict[str, Any] = {
    "time": "time",
    "event": "event",
    "unit": "days",
    "horizons": None,
    "event_values": ("1",),
    "censored_values": ("0",),
    "competing_values": tuple(str(code) for code in range(2, 10)),
    "refits": 20,
}
"""Setting of a time-to-event outcome -> its default."""


FOLLOW_UP_READING = ("time", "event", "event_values", "censored_values", "competing_values")
"""Keys of ``[outcome]`` that say how the follow-up of a cohort is read."""


def require_follow_up_unread(cohort: CohortConfig, outcome: FollowUpConfig) -> None:
    """Raise ValueError if the columns of a time-to-event outcome are also read as something else, such as a predictor."""
    if cohort.positive:
        message = (
            "cohort.positive names label 1 of a binary outcome, and outcome.kind is 'survival'; remove one of the two"
        )
        raise ValueError(message)
    for key in ("time", "event"):
        column = getattr(outcome, key)
        readers = [variable.name for variable in cohort.variables if variable.name in (key, column)]
        readers += [name for name, other in cohort.map.items() if other == column or name == key]
        if readers:
            message = (
                f"column {column!r} is outcome.{key}, so it cannot be read as {readers[0]!r}: it is known only after the "
                "outcome, and no model may read it; remove it from cohort.variables and --map"
            )
            raise ValueError(message)


def refuse_follow_up(kind: str, what: str) -> None:
    """Raise ConfigError if the outcome is the time to an event, which ``what`` does not support.

    Args:
        kind: ``outcome.kind``.
        what: Subject and verb of the message, such as ``studies compare``.
    """
    if kind == "survival":
        message = (
            f"outcome.kind is 'survival', but {what} scores of a binary outcome; leave out --time, or train with "
            "`cardiograph run` (in Python: cardiograph.run.survival.run_survival)"
        )
        raise ConfigError(message)


def require_label_columns(columns: tuple[str, ...]) -> None:
    """Raise ValueError if the columns of a multilabel outcome are fewer than two, alike, or no names of folders."""
    if len({name.casefold() for name in columns}) < max(len(columns), 2):
        message = f"outcome.columns are {', '.join(columns) or 'empty'}; name at least two different columns"
        raise ValueError(message)
    for name in columns:
        if not re.fullmatch(r"\w[\w +-]{0,63}", name) or name.endswith(" "):
            message = (
                f"outcome.columns: {name!r} also names a folder of the run; use at most 64 letters, digits, spaces or "
                "_ + -, beginning with a letter or digit: rename the column"
            )
            raise ValueError(message)


class OutcomeConfig(FollowUpConfig):
    """What a model predicts: one class against the rest, one of several, several labels, or the time to an event."""

    name: str = Field(
        UNNAMED_OUTCOME,
        description="Name of label 1 in reports and answers, or of what the classes describe; by default the classes of "
        "cohort.positive.",
    )
    kind: OutcomeKind = Field(
        "auto",
        description="binary (label 1 against label 0), multiclass (one of several classes), multilabel (several labels at "
        "once), survival (the time to an event), or auto: survival if time is named, multilabel if columns are named, "
        "multiclass for three or more class names without cohort.positive.",
    )
    columns: tuple[str, ...] | None = Field(
        None,
        exclude_if=_absent,
        description="Columns of a multilabel outcome, one per label, with 1, 0 or empty (unknown).",
    )

    @model_validator(mode="after")
    def _columns_of_labels(self) -> Self:
        if self.columns is None:
            if self.kind == "multilabel":
                message = (
                    "outcome.kind is 'multilabel', which needs the columns of the labels: --label COLUMN,COLUMN,..."
                )
                raise ValueError(message)
            return self
        if self.kind not in ("auto", "multilabel"):
            message = f"outcome.columns belongs to kind = 'multilabel', but outcome.kind is {self.kind!r}; remove one"
            raise ValueError(message)
        require_label_columns(self.columns)
        object.__setattr__(self, "kind", "multilabel")
        return self
