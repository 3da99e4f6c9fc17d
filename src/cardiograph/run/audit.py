"""From a cohort to its audit: before a run, or alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.audit.audit_input import AuditedPages, AuditInput
from cardiograph.audit.checks import AUDIT_VERSION, run_checks
from cardiograph.audit.findings import Audit, Finding, check_codes
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig
from cardiograph.containers import Cohort, Split
from cardiograph.encoders.weights import embedding_width
from cardiograph.errors import CohortError, Issue, PageError
from cardiograph.features.clinical import clinical_table, clinical_values
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.groups import group_records, has_split, split_records, split_rows
from cardiograph.ingest.page_index import PageIndex, data_hash, index_pages
from cardiograph.issue_groups import counted, grouped
from cardiograph.progress import NoProgress, Progress
from cardiograph.threads import one_thread_a_page


def audit_cohort(source: Path, config: RunConfig | None = None, *, progress: Progress | None = None) -> Audit:
    """Audit a cohort without learning anything from it.

    The table's own split is judged where it has one; else a random split of rows, which is what a study without groups
    would draw.

    Args:
        source: Table, or folder with a folder per class.
        config: Settings; the defaults if None.
        progress: Callback that receives the progress of the reading of pages.

    Raises:
        CohortError: The table cannot be read at all; faults inside it are findings.
    """
    config = config or RunConfig()
    check_codes(config.audit.accept)
    one_thread_a_page()
    try:
        cohort = read_cohort(source, config.cohort, outcome=config.outcome)
    except CohortError as error:
        if not error.issues:
            raise
        return _unreadable(source.name, error.issues)
    with PageCache(cache_folder()) as cache:
        page_index = None
        if cohort.has_pages:
            lenient = config.model_copy(update={"pages": config.pages.model_copy(update={"skip_bad": True})})
            try:
                cohort, page_index = index_pages(cohort, RunContext(lenient, cache, progress or NoProgress()))
            except PageError as error:  # not one page can be used
                return _unreadable(source.name, error.issues)
        if progress is not None:
            progress.start("audit", 1)
        split, words = _split_to_judge(cohort, page_index, config)
        return _examined(source, _Found(cohort, page_index, split, words), config, cache)


def audit_run(source: Path, cohort: Cohort, page_index: PageIndex | None, split: Split, config: RunConfig) -> Audit:
    """Audit a cohort with the split that a run is about to use.

    Args:
        source: Table or folder of the cohort.
        cohort: Its records, without those of bad pages.
        page_index: Their pages.
        split: To be used.
        config: Settings of the run.
    """
    words = "given in the table" if split.source == "given" else "drawn by this run"
    with PageCache(cache_folder()) as cache:
        return _examined(source, _Found(cohort, page_index, split, words), config, cache)


@dataclasses.dataclass(frozen=True)
class _Found:
    """What was read, and the split to judge, with its name."""

    cohort: Cohort
    page_index: PageIndex | None
    split: Split | None
    words: str


def _split_to_judge(cohort: Cohort, page_index: PageIndex | None, config: RunConfig) -> tuple[Split | None, str]:
    try:
        if has_split(cohort):
            return split_records(cohort, group_records(cohort, page_index, config), config), "given in the table"
        return split_rows(cohort, config), "a random split of rows, since the table has no split column"
    except CohortError as error:
        return None, f"none, because {error.headline}"


def _examined(source: Path, found: _Found, config: RunConfig, cache: PageCache) -> Audit:
    """The audit, computed once for each content."""
    key, under = _content_key(found, config), f"audit {AUDIT_VERSION}"
    kept = cache.facts(key, under)
    if kept is None:
        kept = run_checks(_subject(source.name, found, config)).as_dict()
        cache.keep_facts(key, under, kept)
    return dataclasses.replace(Audit.from_dict(kept), cohort=source.name, accepted=config.audit.accept)


def _subject(name: str, found: _Found, config: RunConfig) -> AuditInput:
    cohort, page_index, split = found.cohort, found.page_index, found.split
    pages = None
    if page_index is not None:
        pages = AuditedPages(
            traits=[None if facts is None else facts.traits for facts in page_index.facts],
            pixel_hashes=page_index.pixel_hashes,
            perceptual_hashes=page_index.perceptual_hashes,
            skipped=page_index.skipped,
            remarks=page_index.remarks,
        )
    unread = {} if cohort.unread is None else {str(name): list(cohort.unread[name]) for name in cohort.unread}
    return AuditInput(
        name=name,
        cohort=cohort,
        pages=pages,
        groups=group_records(cohort, page_index, config),
        part=None if split is None else split.part,
        split=found.words,
        clinical=clinical_table(cohort) if split is None else clinical_values(cohort, split, config),
        unread=unread,
        near_copies=config.pages.near_copies,
        skip_bad=config.pages.skip_bad,
        label_definition=config.cohort.label_definition,
        seed=config.seed,
        embedding_width=0 if pages is None else embedding_width(config.encoder.name),
    )


def _content_key(found: _Found, config: RunConfig) -> str:
    """SHA-256 (hex) of all that decides the findings."""
    digest = hashlib.sha256(data_hash(found.cohort, found.page_index).encode())
    settings = ("cohort", "pages", "split", "clinical", "seed")
    part = b"" if found.split is None else "".join(found.split.part).encode()
    skipped = () if found.page_index is None else found.page_index.skipped
    remarks = json.dumps([found.cohort.table.attrs, found.words, [str(issue) for issue in skipped]], sort_keys=True)
    unread = "" if found.cohort.unread is None else found.cohort.unread.to_csv(index=False)
    names = (
        ""
        if found.page_index is None
        else "\n".join("" if path is None else path.name for path in found.page_index.paths)
    )
    for text in (config.fingerprint(*settings), remarks, unread, names):
        digest.update(text.encode("utf-8", "surrogateescape"))
    digest.update(part)
    return digest.hexdigest()


def _fault(issue: Issue) -> str:
    """An issue without its remedy, which is the finding's action."""
    audited = f"{issue.where}: {issue.column}" if issue.column else issue.where
    return f"{audited} is {issue.value}; {issue.rule}" if issue.value else f"{audited}; {issue.rule}"


def _unreadable(name: str, issues: Sequence[Issue]) -> Audit:
    """An audit that ended before it began: the faults of the table, or of all pages, one finding for each kind."""
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
        for group in grouped(issues)
    )
    return Audit(name, 0, 0, 0, {}, "none: the cohort cannot be read before these faults are fixed", findings)
