"""Audits a cohort, on its own or before a run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.audit.audit_input import AuditedPages, AuditInput
from cardiograph.audit.checks import AUDIT_VERSION, run_checks
from cardiograph.audit.findings import Audit, Finding, check_codes
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import SHIPPED, RunConfig
from cardiograph.containers import Cohort, Split
from cardiograph.ecg.object_storage import local_copy
from cardiograph.ecg.pages import prepare_ecg, signal_format
from cardiograph.encoders.shipped import SHIPPED_SHA256, seen_recordings
from cardiograph.encoders.weights import embedding_width
from cardiograph.errors import CohortError, Issue, PageError
from cardiograph.features.clinical import clinical_table, clinical_values
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.groups import group_records, has_split, split_records, split_rows
from cardiograph.ingest.page_facts import PageFacts
from cardiograph.ingest.page_index import PageIndex, index_pages
from cardiograph.issue_groups import counted, group_issues
from cardiograph.progress import NoProgress, Progress
from cardiograph.threads import limit_opencv_threads

if TYPE_CHECKING:
    import pandas as pd


def audit_cohort(source: str | Path, config: RunConfig | None = None, *, progress: Progress | None = None) -> Audit:
    """Audit a cohort without fitting anything to it.

    The audit checks the table's own split if it has one. Otherwise it checks a random split of rows, as a study without
    groups would draw it.

    Args:
        source: Table, or folder with one folder per class.
        config: Settings; the defaults if None.
        progress: Callback that receives stage progress.

    Raises:
        CohortError: If the table cannot be read at all; faults inside it are findings.
    """
    config, source = config or RunConfig(), Path(source)
    check_codes(config.audit.accept)
    try:
        cohort = read_cohort(source, config.cohort, outcome=config.outcome)
    except CohortError as error:
        if not error.issues:
            raise
        return _unreadable(source.name, error.issues)
    with PageCache(cache_folder()) as cache:
        page_index = None
        if cohort.has_pages:
            limit_opencv_threads()
            lenient = config.model_copy(update={"pages": config.pages.model_copy(update={"skip_bad": True})})
            try:
                cohort, page_index = index_pages(cohort, RunContext(lenient, cache, progress or NoProgress()))
            except PageError as error:  # no page can be used
                return _unreadable(source.name, error.issues)
        if progress is not None:
            progress.start("audit", 1)
        split, description = _split_to_check(cohort, page_index, config)
        return _audited(source, _IndexedCohort(cohort, page_index, split, description), config, cache)


def audit_run(source: Path, cohort: Cohort, page_index: PageIndex | None, split: Split, config: RunConfig) -> Audit:
    """Audit a cohort with the split that a run is about to use.

    Args:
        source: Table or folder of the cohort.
        cohort: Records whose pages can be used.
        page_index: Pages of the records; None for a cohort without pages.
        split: Split of the run.
        config: Settings of the run.
    """
    description = "given in the table" if split.source == "given" else "drawn by this run"
    with PageCache(cache_folder()) as cache:
        return _audited(source, _IndexedCohort(cohort, page_index, split, description), config, cache)


@dataclasses.dataclass(frozen=True)
class _IndexedCohort:
    """A cohort with its pages, and the split to check with its description."""

    cohort: Cohort
    page_index: PageIndex | None
    split: Split | None
    split_description: str


def _split_to_check(cohort: Cohort, page_index: PageIndex | None, config: RunConfig) -> tuple[Split | None, str]:
    try:
        if has_split(cohort):
            return split_records(cohort, group_records(cohort, page_index, config), config), "given in the table"
        return split_rows(cohort, config), "a random split of rows, since the table has no split column"
    except CohortError as error:
        return None, f"none, because {error.headline}"


def _audited(source: Path, indexed: _IndexedCohort, config: RunConfig, cache: PageCache) -> Audit:
    """Return the audit; the result is cached by content."""
    key, under = _content_key(indexed, config), f"audit {AUDIT_VERSION}"
    cached = cache.facts(key, under)
    if cached is None:
        cached = run_checks(_audit_input(source.name, indexed, config)).as_dict()
        cache.keep_facts(key, under, cached)
    return dataclasses.replace(Audit.from_dict(cached), cohort=source.name, accepted=config.audit.accept)


def _audit_input(name: str, indexed: _IndexedCohort, config: RunConfig) -> AuditInput:
    cohort, page_index, split = indexed.cohort, indexed.page_index, indexed.split
    pages = None
    if page_index is not None:
        pages = AuditedPages(
            traits=[None if facts is None else facts.metadata for facts in page_index.facts],
            pixel_hashes=page_index.pixel_hashes,
            perceptual_hashes=page_index.perceptual_hashes,
            skipped=page_index.skipped,
            remarks=page_index.remarks,
            seen=_seen_by_encoder(page_index, config),
        )
    unread = {} if cohort.unread is None else {str(name): list(cohort.unread[name]) for name in cohort.unread}
    return AuditInput(
        name=name,
        cohort=cohort,
        pages=pages,
        groups=group_records(cohort, page_index, config),
        part=None if split is None else split.part,
        split=indexed.split_description,
        clinical=clinical_table(cohort) if split is None else clinical_values(cohort, split, config),
        unread=unread,
        near_copies=config.pages.near_copies,
        skip_bad=config.pages.skip_bad,
        label_definition=config.cohort.label_definition,
        seed=config.seed,
        embedding_width=0 if pages is None else embedding_width(config.encoder.name),
    )


def _seen_by_encoder(page_index: PageIndex, config: RunConfig) -> list[int]:
    """Return the rows of recordings that are in the shipped weights of the encoder."""
    if config.encoder.name not in SHIPPED_SHA256 or config.encoder.weights != SHIPPED:
        return []
    seen = seen_recordings(config.encoder.name)

    def is_seen(path: Path | None, facts: PageFacts | None) -> bool:
        if path is None or facts is None:
            return False
        if facts.leads_sha256 or config.needs != "page":
            return facts.leads_sha256 in seen
        with local_copy(path) as copy:
            if signal_format(copy.path, name=path.name) is None:
                return False
            leads = prepare_ecg(copy.path, name=path.name, config=config.pages, needs="leads", draw=False).leads
        return leads is not None and leads.content_hash() in seen

    return [row for row, each in enumerate(zip(page_index.paths, page_index.facts, strict=True)) if is_seen(*each)]


def _content_key(indexed: _IndexedCohort, config: RunConfig) -> str:
    """Return the SHA-256 (hex) of everything on which the findings depend."""
    cohort, page_index, split = indexed.cohort, indexed.page_index, indexed.split
    digest = hashlib.sha256(_content(cohort.table.drop(columns="ecg")))
    for facts in () if page_index is None else page_index.facts:
        digest.update(b"no page" if facts is None else facts.file_sha256.encode())
    settings = ("cohort", "pages", "split", "clinical", "seed", "encoder")
    part = b"" if split is None else "".join(split.part).encode()
    skipped = () if page_index is None else page_index.skipped
    skipped_texts = [str(issue) for issue in skipped]
    remarks = json.dumps([cohort.table.attrs, indexed.split_description, skipped_texts], sort_keys=True)
    names = "" if page_index is None else "\n".join("" if path is None else path.name for path in page_index.paths)
    for text in (config.fingerprint(*settings), remarks, names):
        digest.update(text.encode("utf-8", "surrogateescape"))
    digest.update(part)
    if cohort.unread is not None:
        digest.update(_content(cohort.unread))
    return digest.hexdigest()


def _content(table: pd.DataFrame) -> bytes:
    """Return the names, kinds and cells of all columns as bytes."""
    names = json.dumps([(str(name), str(kind)) for name, kind in table.dtypes.items()]).encode()
    cells = (
        table[name].to_numpy().tobytes()
        if table.dtypes[name].kind in "biuf"
        else json.dumps(table[name].tolist()).encode()
        for name in table.columns
    )
    return b"\n".join((names, *cells))


def _fault(issue: Issue) -> str:
    """Return an issue as text, without its remedy: that is the action of the finding."""
    place = f"{issue.where}: {issue.column}" if issue.column else issue.where
    return f"{place} is {issue.value}; {issue.rule}" if issue.value else f"{place}; {issue.rule}"


def _unreadable(name: str, issues: Sequence[Issue]) -> Audit:
    """Return the audit of an unreadable cohort: one finding for each kind of fault of the table or its pages."""
    findings = tuple(
        Finding(
            group.issues[0].code,
            "block",
            f"{counted(len(group.issues), 'fault')}, {group.places}, the first: {_fault(group.issues[0])}."
            if len(group.issues) > 1
            else f"1 fault: {_fault(group.issues[0])}.",
            group.issues[0].remedy,
            rows=tuple(issue.where for issue in group.issues),
            column=group.issues[0].column,
        )
        for group in group_issues(issues)
    )
    return Audit(name, 0, 0, 0, {}, "none: the cohort cannot be read before these faults are fixed", findings)
