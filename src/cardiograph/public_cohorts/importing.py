"""Import of a public cohort into a folder that the other commands take."""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
import shlex
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from cardiograph.artifacts.files import write_bytes, write_json
from cardiograph.errors import CohortError, ConfigError
from cardiograph.progress import Progress
from cardiograph.public_cohorts.adapter import Adapter, Imported, Source
from cardiograph.public_cohorts.catalogue import adapter
from cardiograph.public_cohorts.files import plain

TABLE, CONFIG, LICENCE, REPORT = "cohort.csv", "cohort.toml", "LICENCE-AND-CITATION.txt", "import.json"
RECORDS = "records"
"""Folder of converted recordings."""

DAYS = {"d": 1.0, "m": 30.4375, "y": 365.25}
"""Unit of a horizon -> days."""


@dataclass(frozen=True)
class Import:
    """Result of an import.

    Args:
        adapter: The public cohort.
        table: Table of the cohort.
        outcome: Name of the outcome in the column ``label``; empty if the cohort has none.
        outcomes: Name of each outcome -> number of records of each of its values; empty where it is unknown.
        traps: Sentence on each trap -> count, in the order of the adapter; none is zero.
        records: Number of records.
        horizon: Days within which the outcome counts; None if it has no time.
        commands: Commands to continue with.
    """

    adapter: Adapter
    table: Path
    outcome: str
    outcomes: dict[str, dict[str, int]]
    traps: dict[str, int]
    records: int
    horizon: float | None
    commands: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the content of ``import.json``."""
        return {
            "cohort": self.adapter.name,
            "table": str(self.table),
            "records": self.records,
            "outcome": self.outcome or None,
            "horizon_days": self.horizon,
            "outcomes": self.outcomes,
            "traps": [{"trap": text, "count": count} for text, count in self.traps.items()],
            "licence": self.adapter.licence,
            "citation": self.adapter.citation,
            "next": list(self.commands),
        }


def import_cohort(  # noqa: PLR0913 - the options of the command
    name: str,
    source: Path,
    out: Path,
    *,
    outcome: str | None = None,
    horizon: str | None = None,
    force: bool = False,
    progress: Progress,
) -> Import:
    """Read a public cohort and write it as a table, with a configuration, its licence and a list of its traps.

    Args:
        name: Name of the cohort.
        source: Folder of the cohort as its owners ship it.
        out: Folder for the files; the table is written last.
        outcome: Outcome of the column ``label``; the first of the adapter by default.
        horizon: Time within which the outcome counts, such as ``1y``, ``18m`` or ``365d``, rounded to whole days.
        force: Whether to replace the files of an earlier import.
        progress: Receives the progress of long work.

    Raises:
        ConfigError: If a name is unknown, an option does not apply, or a file exists.
        CohortError: If the source is not as its owners ship it.
    """
    chosen = adapter(name)
    days = _horizon(chosen, horizon)
    if outcome is not None and not chosen.more_outcomes and outcome not in chosen.outcomes:
        raise _unknown_outcome(chosen, outcome, chosen.outcomes)
    _check_folders(source, out, force=force)
    imported = chosen.read(Source(source.resolve(), out.resolve(), days or 0.0, progress))
    if outcome is not None and outcome not in imported.outcomes:
        raise _unknown_outcome(chosen, outcome, imported.outcomes)
    label = outcome or next(iter(imported.outcomes), "")
    table = out / TABLE
    result = Import(
        adapter=chosen,
        table=table,
        outcome=label,
        outcomes={each: dict(Counter(values)) for each, values in imported.outcomes.items()},
        traps={text: count for text, count in imported.traps.items() if count},
        records=len(imported.rows),
        horizon=days,
        commands=_commands(chosen, table, source, label=label, timed=f"event_{label}" in imported.extra),
    )
    write_bytes(out / LICENCE, _licence(chosen).encode())
    write_bytes(out / CONFIG, _config(result, imported).encode())
    write_json(out / REPORT, result.as_dict())
    write_bytes(table, _table(imported, label, chosen.outcomes).encode())
    return result


def _horizon(chosen: Adapter, text: str | None) -> float | None:
    if text is None:
        return chosen.horizon
    if chosen.horizon is None:
        message = f"--horizon {text}: the outcomes of {chosen.name} have no time; leave the option out"
        raise ConfigError(message)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([dmy])", text.strip())
    if match is None or float(match[1]) <= 0:
        message = f"--horizon {text!r}: write a number above 0 and d, m or y, such as 365d, 18m or 1y"
        raise ConfigError(message)
    return float(max(1, round(float(match[1]) * DAYS[match[2]])))


def _unknown_outcome(chosen: Adapter, outcome: str, allowed: object) -> ConfigError:
    names = list(allowed)  # type: ignore[call-overload]
    near = difflib.get_close_matches(outcome, names, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return ConfigError(f"--outcome {outcome!r}: {chosen.name} has {', '.join(names) or 'no outcome'}{hint}")


def _check_folders(source: Path, out: Path, *, force: bool) -> None:
    if not source.is_dir():
        message = f"{source}: is not a folder; give the folder that has the files of the cohort as its owners ship them"
        raise CohortError(message)
    if out.exists() and not out.is_dir():
        message = f"{out}: is a file; give a new folder"
        raise ConfigError(message)
    if out.resolve().is_relative_to(source.resolve()):
        message = f"{out}: is inside the folder of the source, which is never changed; give another folder"
        raise ConfigError(message)
    present = [name for name in (TABLE, CONFIG, LICENCE, REPORT, RECORDS) if (out / name).exists()]
    if present and not force:
        message = f"{out}: has {', '.join(present)} already; choose another folder, or replace them with --force"
        raise ConfigError(message)


def _commands(chosen: Adapter, table: Path, source: Path, *, label: str, timed: bool) -> tuple[str, ...]:
    if not label:
        return (f"cardiograph pretrain encoder/ --records {shlex.quote(str(source))}",)
    given = f"{shlex.quote(str(table))} --config {shlex.quote(str(table.with_name(CONFIG)))}"
    commands = (f"cardiograph audit {given}", f"cardiograph run {given} --out runs/{chosen.name}")
    if not timed:
        return commands
    name = shlex.quote(label.replace("-", " "))
    timed_run = f"cardiograph run {given} --time time --event event --outcome {name} --out runs/{chosen.name}-time"
    return (*commands, timed_run)


def _licence(chosen: Adapter) -> str:
    return f"{chosen.title}\n\nLicence: {chosen.licence}\n\nCite:\n{chosen.citation}\n"


def _config(result: Import, imported: Imported) -> str:
    """Return the configuration: the name of the outcome and the clinical variables that are read."""
    name = result.outcome.replace("-", " ")
    if result.horizon is not None and f"event_{result.outcome}" in imported.extra:
        name += f" within {plain(result.horizon)} days"
    lines = [f"# {result.adapter.title}", f"# {result.adapter.licence}", ""]
    if name:
        classes = len(set(imported.outcomes[result.outcome]) - {""} - {"0", "1"})
        lines += ["[outcome]", f"name = {json.dumps(name)}", *(['kind = "multiclass"'] if classes else [])]
    present = set(imported.rows[0])
    for variable in imported.variables:
        if variable["name"] in present:
            lines += ["", "[[cohort.variables]]", *(f"{key} = {json.dumps(value)}" for key, value in variable.items())]
    return "\n".join(lines) + "\n"


def _table(imported: Imported, label: str, declared: Collection[str]) -> str:
    """Return the table: cells, label, and the declared outcomes under names that no model reads."""
    unknown = [""] * len(imported.rows)
    event = imported.extra.get(f"event_{label}")
    columns = {
        "label": imported.outcomes.get(label, unknown),
        **imported.extra,
        **({} if event is None else {"event": event}),
        **{f"outcome_{name}": values for name, values in imported.outcomes.items() if name in declared},
    }
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*imported.rows[0], *columns])
    for row, *cells in zip(imported.rows, *columns.values(), strict=True):
        writer.writerow([*row.values(), *cells])
    return text.getvalue()
