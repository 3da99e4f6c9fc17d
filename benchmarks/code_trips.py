"""How many files of the package one page, one patient and one report row pass through: what a newcomer has to read.

Every function call is recorded; a file counts once, however often it is entered. Imports happen before, so that only the
work itself counts. The counts do not depend on the machine.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cardiograph
from cardiograph.artifacts.cache import PageCache
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig
from cardiograph.inference import Predictor
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.encoder_choice import choose_encoder
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress
from cardiograph.report.tables import metric_rows
from cardiograph.run.pipeline import run
from cardiograph.run.report import report_content
from cardiograph.synthesis.cohort import write_cohort

PACKAGE = Path(cardiograph.__file__).parent


def files_of(work: Callable[[], object]) -> list[str]:
    """Files of the package in which a function ran during ``work``, sorted."""
    found: set[str] = set()

    def note(frame: object, event: str, _: object) -> None:
        if event == "call":
            path = Path(frame.f_code.co_filename)  # type: ignore[attr-defined]
            if path.is_relative_to(PACKAGE):
                found.add(str(path.relative_to(PACKAGE)))

    work()  # the first time imports modules and fills caches of functions
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return sorted(found)


def main() -> None:
    """Count the files of three trips on a small synthetic cohort."""
    with tempfile.TemporaryDirectory() as folder:
        table = write_cohort(Path(folder) / "cohort", patients=60, seed=3)
        config = RunConfig.model_validate(
            {"encoder": {"weights": "random"}, "model": {"epochs": 5}, "evaluation": {"bootstrap": 100}}
        )
        done = run(table, Path(folder) / "run", config)
        cohort = read_cohort(table, config.cohort, outcome=config.outcome)
        page = Path(cohort.table["ecg"].dropna().iloc[0])
        values = {"ef": 0.34, "bnp": 463.0, "nyha": 3.0, "sbp": 132.0, "age": 70.0}
        predictor = Predictor.load(done.path)
        content = report_content(RunDirectory(done.path))

        def embed() -> None:
            with tempfile.TemporaryDirectory() as cache, PageCache(Path(cache)) as pages:
                context = RunContext(config, pages, NoProgress())
                _, index = index_pages(one, context)
                embed_pages(index, encoder.engine, encoder.facts.fingerprint, context)

        first = cohort.table.index[cohort.table["ecg"] == str(page)][:1]
        one = type(cohort)(cohort.table.loc[first].reset_index(drop=True), cohort.variables, cohort.outcome)
        with PageCache(Path(folder) / "cache") as pages:
            context = RunContext(config, pages, NoProgress())
            encoder = choose_encoder(index_pages(one, context)[1], context)
        trips = {
            "page to embedding": files_of(embed),
            "predict": files_of(lambda: predictor.predict(page, values)),
            "a report row": files_of(lambda: metric_rows(content)),
        }
    print(json.dumps({name: {"files": len(found), "names": found} for name, found in trips.items()}, indent=1))


if __name__ == "__main__":
    main()
