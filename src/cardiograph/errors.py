"""The errors a user can meet; each says where, what, what is allowed and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Issue:
    """One fault of the input, as it stands in an error table and in the report.

    Args:
        where: The place, as the user would look it up: ``row 12``, ``record 'p3'``, ``page scans/7.jpg``.
        column: The column concerned, or an empty string.
        value: The offending value, shortened.
        rule: What is allowed, with its unit.
        remedy: What to do, naming the option that does it where there is one.
        code: A stable name for programs, such as ``out_of_range`` or ``truncated``.
    """

    where: str
    column: str
    value: str
    rule: str
    remedy: str
    code: str

    def __str__(self) -> str:
        subject = f"{self.where}: {self.column}" if self.column else self.where
        value = f" is {self.value}" if self.value else ""
        return f"{subject}{value}; {self.rule}; {self.remedy}"


class CardiographError(Exception):
    """Base of every error that is the user's to fix; ``exit_code`` is what the command returns."""

    exit_code = 1


class ConfigError(CardiographError):
    """A setting or option that is unknown, out of range, or contradicts another."""

    exit_code = 2


class InputError(CardiographError):
    """Faults of the input, all of them at once.

    Args:
        headline: One sentence.
        issues: The faults, in the order of the input.
    """

    exit_code = 3

    def __init__(self, headline: str, issues: Sequence[Issue] = ()) -> None:
        self.headline = headline
        self.issues = tuple(issues)
        super().__init__("\n".join([headline, *(f"  {issue}" for issue in self.issues)]))


class CohortError(InputError):
    """A table or folder that cannot be used as a cohort."""


class PageError(InputError):
    """Pages that cannot be used."""

    exit_code = 4


class PartialError(InputError):
    """Some patients of a table were scored and others were not; each issue is a reason."""

    exit_code = 10


class AuditError(InputError):
    """Findings of the audit that make a score worthless; each issue is one of them."""

    exit_code = 1


class RunError(CardiographError):
    """A run folder that is locked, belongs to another run, is damaged or cannot be written."""

    exit_code = 5


class WeightsError(CardiographError):
    """Encoder weights that are missing, cannot be fetched, or are not what they should be."""

    exit_code = 6


class EngineError(CardiographError):
    """An inference engine or precision that this machine cannot run."""

    exit_code = 7


class RecordsError(CardiographError):
    """The database of a service: not to be reached, read or written, not there, or of a newer version."""

    exit_code = 8


class ServiceError(CardiographError):
    """A service that cannot be reached, is busy, or answers something else than was asked."""

    exit_code = 9
