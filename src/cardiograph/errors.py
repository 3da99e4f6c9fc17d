"""Errors that a user can fix; each names the place, the value, the rule and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Issue:
    """One fault of the input, as error messages and reports show it.

    Args:
        where: Place of the fault in the input, such as ``row 12``, ``record 'p3'`` or ``page scans/7.jpg``.
        column: Affected column, or an empty string.
        value: Invalid value, shortened.
        rule: Allowed values, with their unit.
        remedy: How to fix the fault, with the option that does so if there is one.
        code: Stable name for programs, such as ``out_of_range`` or ``truncated``.
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
    """Base of all errors that a user can fix; ``exit_code`` is the exit status of the command."""

    exit_code = 1


class ConfigError(CardiographError):
    """A setting or option is unknown, out of range, or contradicts another one."""

    exit_code = 2


class InputError(CardiographError):
    """The input has faults, which are reported together.

    Args:
        headline: Summary in one sentence.
        issues: All faults, in the order of the input.
    """

    exit_code = 3

    def __init__(self, headline: str, issues: Sequence[Issue] = ()) -> None:
        self.headline = headline
        self.issues = tuple(issues)
        super().__init__("\n".join([headline, *(f"  {issue}" for issue in self.issues)]))


class CohortError(InputError):
    """A table or folder cannot be used as a cohort."""


class PageError(InputError):
    """ECG pages cannot be used."""

    exit_code = 4


class EcgError(InputError):
    """An ECG file cannot be read as twelve leads; each issue is one fault of one file."""

    exit_code = 4


class PartialError(InputError):
    """Only some patients of a table were scored, or files measured; the issues explain why the others were not."""

    exit_code = 10


class AuditError(InputError):
    """The audit has findings that invalidate any score; each issue is one finding."""

    exit_code = 1


class RunError(CardiographError):
    """A run folder is locked, belongs to another run, is damaged or cannot be written."""

    exit_code = 5


class WeightsError(CardiographError):
    """Encoder weights are missing, cannot be downloaded, or do not match their checksum or shape."""

    exit_code = 6


class EngineError(CardiographError):
    """This machine cannot run the configured inference engine or precision."""

    exit_code = 7


class RecordsError(CardiographError):
    """The database of a service is missing, unreachable, damaged or of a newer version."""

    exit_code = 8


class ServiceError(CardiographError):
    """A service is unreachable, busy, or returns an unexpected response."""

    exit_code = 9
