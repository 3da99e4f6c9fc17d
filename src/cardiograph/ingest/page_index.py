"""Index of the pages of a cohort: hashes, view, metadata and warnings of each page.

:func:`index_pages` reads every page once. Later steps use the index instead of the files, except :func:`read_view`,
which reads the view of a page again for an encoder.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.page_places import page_issue
from cardiograph.config_reading import PagesConfig
from cardiograph.containers import Cohort
from cardiograph.ecg.object_storage import is_remote
from cardiograph.ecg.pages import LEADS_VERSION, file_sha256
from cardiograph.errors import Issue, PageError
from cardiograph.imaging.page_metadata import METADATA_VERSION
from cardiograph.imaging.prepare import GATE_CODES, is_refusal, judgement, page_remarks, refusal
from cardiograph.imaging.reading import FORMATS
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.ecg_worker import UnreadFile, read_files
from cardiograph.ingest.objects import keep_versions, unchanged_objects
from cardiograph.ingest.page_facts import PageFacts, require_same_file
from cardiograph.threads import available_threads
from cardiograph.workers.in_order import in_order

_PICTURES = {each.title for each in FORMATS.values()} | {"PDF"}
"""Formats of images and documents that show an ECG; all others hold its signals."""


@dataclass(frozen=True)
class PageIndex:
    """Index of the pages of a cohort, in the order of its records.

    Args:
        paths: [records] page files; None if a record has no page.
        facts: [records] facts about the pages; None if a record has no page.
        skipped: Issues of pages that could not be used or were refused; their records are left out.
    """

    paths: tuple[Path | None, ...]
    facts: tuple[PageFacts | None, ...]
    skipped: tuple[Issue, ...] = ()

    @property
    def paged(self) -> NDArray[np.bool_]:
        """[records] bool: whether a record has a page."""
        return np.array([facts is not None for facts in self.facts], bool)

    @property
    def kinds(self) -> dict[str, int]:
        """Number of records with a recording (a file of signals) and with a picture (an image or a PDF) of an ECG."""
        formats = [facts.metadata.format for facts in self.facts if facts is not None]
        pictures = sum(each in _PICTURES for each in formats)
        return {"recordings": len(formats) - pictures, "pictures": pictures}

    @property
    def pixel_hashes(self) -> list[str | None]:
        """[records] SHA-256 (hex) of the decoded pixels; None without a page."""
        return [None if facts is None else facts.pixel_hash for facts in self.facts]

    @property
    def perceptual_hashes(self) -> NDArray[np.uint8]:
        """[records, 1536 or 3072] uint8 perceptual hashes; zeros, which are no near-copy of any, without a page."""
        known = [None if facts is None else facts.hash_values for facts in self.facts]
        width = next((len(each) for each in known if each is not None), 0)
        return np.array([np.zeros(width, np.uint8) if each is None else each for each in known], np.uint8)

    @property
    def remarks(self) -> list[tuple[str, ...]]:
        """[records] warnings about each page that was used, as in a prediction for one patient."""
        return [() if facts is None else page_remarks(facts.doubt, facts.pictures, facts.notes) for facts in self.facts]

    def notes(self, record_ids: Iterable[str]) -> list[str]:
        """Summarise the pages that the ECG check refused and those used with a warning, one sentence for each kind.

        Args:
            record_ids: [records] record ids.
        """
        named = [
            (str(record), facts) for record, facts in zip(record_ids, self.facts, strict=True) if facts is not None
        ]
        kinds = {}
        for words, codes in GATE_CODES.items():
            kinds[f"{words} and were left out with their records (`--no-gate` keeps them)"] = [
                issue.where for issue in self.skipped if issue.code in codes
            ]
            kinds[f"{words} and were kept (`pages.gate` is off)"] = [
                f"{record!r} ({facts.doubt.reason})"
                for record, facts in named
                if facts.doubt is not None and facts.doubt.code in codes
            ]
        kinds["come from files with several images (pages or frames); the first was used"] = [
            repr(record) for record, facts in named if facts.pictures > 1
        ]
        for note in dict.fromkeys(note for _, facts in named for note in facts.notes):
            kinds[f"were read with the note {note!r}"] = [
                repr(record) for record, facts in named if note in facts.notes
            ]
        return [f"{len(found)} page(s) {words}: {_shortened(found)}" for words, found in kinds.items() if found]

    def page(self, row: int) -> tuple[Path, PageFacts]:
        """Return the file of a record's page and the facts about it.

        Args:
            row: Row of the record.

        Raises:
            ValueError: If the record has no page.
        """
        path, facts = self.paths[row], self.facts[row]
        if path is None or facts is None:
            message = f"record {row} has no page"
            raise ValueError(message)
        return path, facts

    def of(self, rows: Iterable[int]) -> PageIndex:
        """Return the index of some records, without skipped pages."""
        chosen = list(rows)
        return PageIndex(tuple(self.paths[row] for row in chosen), tuple(self.facts[row] for row in chosen))


def index_pages(cohort: Cohort, context: RunContext) -> tuple[Cohort, PageIndex]:
    """Read every page of a cohort once and collect the facts about it.

    Args:
        cohort: Cohort with a page for each record, or for some of them.
        context: Run context. Its settings contain the view, the limits, and whether unusable pages are skipped; its
            ``inputs`` receive the encoder inputs of the pages that had to be read.

    Returns:
        The cohort and the index of its pages, without the records of pages that the ECG check refuses and, if these are
        skipped, of unusable pages. Such a record is left out even if it has clinical values, because its page is not
        what the table states.

    Raises:
        PageError: If pages cannot be read and are not to be skipped, with one issue for each; or if no page is left.
    """
    config, cache, progress = context.config.pages, context.cache, context.progress
    needs = context.config.needs
    paths = [Path(path) if isinstance(path, str) else None for path in cohort.table["ecg"]]
    names = {path: f"{path.parent.name}/{path.name}" for path in paths if path is not None}
    under = f"{judgement(config)} metadata={METADATA_VERSION} signals=2"
    under += "" if needs == "page" else f" {needs} leads={LEADS_VERSION} hashes=2"
    under += " hash=leads" if needs == "leads" else ""
    known: dict[Path, PageFacts | PageError] = {}
    progress.start("reading ECGs", len(names), unit="files")
    objects = unchanged_objects(names, cache)
    with ThreadPoolExecutor(available_threads()) as pool:
        unread: dict[Path, str] = {}
        digests = in_order(pool, lambda path: objects.get(path) if is_remote(path) else _file_sha256(path), names)
        for path, digest in zip(names, digests, strict=True):
            found = None if digest is None else cache.facts(digest, under)
            if found is None:
                unread[path] = digest or ""
            else:
                known[path] = PageFacts.restore(found)
                progress.advance()
    files = (
        UnreadFile(path, names[path], cache.leads(digest, LEADS_VERSION) if digest and needs != "page" else None)
        for path, digest in unread.items()
    )
    with context.paced("reading ECGs", len(unread)):
        for read in read_files(files, len(unread), context):
            path, facts = read.path, read.found
            known[path] = facts
            if isinstance(facts, PageFacts):
                require_same_file(path, facts, unread[path] or facts.file_sha256)
                if read.packed is not None:
                    cache.keep_leads(facts.file_sha256, LEADS_VERSION, read.packed)
                cache.keep_facts(facts.file_sha256, under, dataclasses.asdict(facts))
                keep_versions(path, facts.file_sha256, read.versions, cache)
            progress.advance()
    return _without_unusable(cohort, paths, _with_refusals(known, names, config), config)


def data_hash(cohort: Cohort, page_index: PageIndex | None) -> str:
    """Return the SHA-256 (hex) of the cohort's table and page files; the paths of the files do not matter."""
    digest = hashlib.sha256(cohort.table.drop(columns="ecg").to_csv(index=False).encode("utf-8", "surrogateescape"))
    for facts in page_index.facts if page_index is not None else ():
        digest.update(b"no page" if facts is None else facts.file_sha256.encode())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str | None:
    """Return the SHA-256 (hex) of a file, or None if it cannot be read; the reader then raises the error."""
    try:
        return file_sha256(path)
    except OSError:
        return None


def _without_unusable(
    cohort: Cohort,
    paths: list[Path | None],
    known: dict[Path, PageFacts | PageError | Issue],
    config: PagesConfig,
) -> tuple[Cohort, PageIndex]:
    """Drop the records of refused pages and, if allowed, of unreadable ones; build the index of the others."""
    everything = [None if path is None else known[path] for path in paths]
    issues = tuple(
        page_issue(issue, record, cohort.origins.get(record))
        for found, record in zip(everything, cohort.record_ids, strict=True)
        for issue in _issues(found)
    )
    unreadable = sum(isinstance(found, PageError) for found in everything)
    if unreadable and not config.skip_bad:
        message = (
            f"the pages of {unreadable} of {len(paths)} records cannot be used; replace them, or leave out these "
            "records with --skip-bad-pages"
        )
        raise PageError(message, [issue for issue in issues if not is_refusal(issue)])
    good = [
        (row, paths[row], found)
        for row, found in enumerate(everything)
        if found is None or isinstance(found, PageFacts)
    ]
    if not any(found is not None for _, _, found in good):
        message = "No page of the cohort can be used."
        raise PageError(message, issues)
    rows, kept, facts = zip(*good, strict=True)
    table = cohort.table.iloc[list(rows)].reset_index(drop=True)
    unread = None if cohort.unread is None else cohort.unread.iloc[list(rows)].reset_index(drop=True)
    return dataclasses.replace(cohort, table=table, unread=unread), PageIndex(kept, facts, issues)


def _with_refusals(
    known: dict[Path, PageFacts | PageError], names: dict[Path, str], config: PagesConfig
) -> dict[Path, PageFacts | PageError | Issue]:
    """Replace the facts of each page that the ECG check refuses by an issue."""
    pages: dict[Path, PageFacts | PageError | Issue] = {}
    for path, found in known.items():
        doubt = found.doubt if isinstance(found, PageFacts) else None
        pages[path] = refusal(doubt, name=names[path], gate=config.gate) or found
    return pages


def _shortened(names: Sequence[str], limit: int = 10) -> str:
    return "; ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _issues(found: PageFacts | PageError | Issue | None) -> Sequence[Issue]:
    if isinstance(found, PageError):
        return found.issues
    return [found] if isinstance(found, Issue) else []
