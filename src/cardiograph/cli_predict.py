"""``cardiograph predict``: a run on this machine is asked, or a running service."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardiograph.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    import pandas as pd

    from cardiograph.config import VariableConfig
    from cardiograph.containers import Prediction
    from cardiograph.explain import Explanation
    from cardiograph.progress import Progress
    from cardiograph.service.asked import Asked
    from cardiograph.service.client import ServiceClient

KEY = "CARDIOGRAPH_KEY"
"""The variable of the environment that may hold the key; no option does, because every user of a machine sees those."""


def run_or_service(run: Path | None, url: str | None, key_file: Path | None) -> Path | ServiceClient:
    """Who is asked: the folder of a run, or a service with the key of the file, or else of the environment.

    Raises:
        ConfigError: Both are given, or neither; or the address or the key cannot be used.
    """
    if run is not None and url is not None:
        message = f"predict {run} --url {url}: a run on this machine, or a service; give one of them"
        raise ConfigError(message)
    if run is not None:
        if key_file is not None:
            message = "--key-file is the key of a service; it goes with --url"
            raise ConfigError(message)
        return run
    if url is None:
        message = "predict needs the folder RUN of a finished run, or --url of a service"
        raise ConfigError(message)
    from cardiograph.service.client import ServiceClient

    return ServiceClient(url, os.environ.get(KEY) or None if key_file is None else _key_in(key_file))


def answer_and_network(source: Path | ServiceClient, asked: Asked, *, named: bool) -> tuple[Prediction, str]:
    """One patient's answer, and the name of the network that gave it; empty where it need not be ``named``."""
    if isinstance(source, Path):
        from cardiograph.inference import Predictor

        predictor = Predictor.load(source)
        answer = predictor.predict(asked.page, asked.values, patient_id=asked.patient_id)
        return answer, predictor.bundle.served.model.name
    with source:
        return source.predict(asked), str(source.model().get("model")) if named else ""


def explanation_and_network(source: Path | ServiceClient, asked: Asked) -> tuple[Explanation, str]:
    """What moved one patient's answer, and the name of the network that gave it.

    Raises:
        ConfigError: A service is asked, which explains on its page.
    """
    if not isinstance(source, Path):
        message = "--explain goes with the folder RUN of a finished run; a service explains on its page"
        raise ConfigError(message)
    from cardiograph.explain import explain
    from cardiograph.inference import Predictor, Query

    predictor = Predictor.load(source)
    found = explain(predictor, Query(asked.page, asked.values, patient_id=asked.patient_id))
    return found, predictor.bundle.served.model.name


def table_answers(source: Path | ServiceClient, table: Path, *, progress: Progress) -> pd.DataFrame:
    """The answers for a table, with what was not read in ``attrs["notes"]``."""
    if isinstance(source, Path):
        from cardiograph.stages.scoring import score_table

        return score_table(source, table, progress=progress)
    with source:
        return _ask_for_table(source, table, progress)


def _ask_for_table(service: ServiceClient, table: Path, progress: Progress) -> pd.DataFrame:
    """The service tells which variables there are; columns have our names and units, as the run's settings stay there."""
    import pandas as pd

    from cardiograph.cohort.manifest import read_cohort
    from cardiograph.config import CohortConfig
    from cardiograph.service.asked import Asked

    model = service.model()
    variables, takes_pages = _variables(model), bool(model.get("takes_pages", True))
    known = {variable.name for variable in variables}
    patients = read_cohort(table, CohortConfig(variables=variables), outcome="", labelled=False)
    names = [variable.name for variable in patients.variables if variable.name in known]
    asked = (
        Asked(
            page=Path(row["ecg"]) if takes_pages and row["ecg"] is not None else None,
            values={name: row[name] for name in names},
            patient_id=row["patient_id"],
            name=row["record_id"],
        )
        for row in patients.table.to_dict("records")
    )
    rows = []
    progress.start("asking the service", len(patients))
    for record_id, answer in zip(patients.record_ids, service.predict_many(asked), strict=True):
        rows.append({"record_id": record_id, **answer.as_row()})
        progress.advance()
    answers = pd.DataFrame(rows)
    unused = [variable.name for variable in patients.variables if variable.name not in known]
    unused += ["ecg"] if patients.has_pages and not takes_pages else []
    answers.attrs["notes"] = list(patients.table.attrs["notes"])
    if unused:
        answers.attrs["notes"].append(f"the model does not read these columns: {', '.join(unused)}")
    return answers


def _key_in(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"--key-file {path}: cannot be read; give a text file that holds the key and nothing else"
        raise ConfigError(message) from error


def _variables(model: Mapping[str, Any]) -> tuple[VariableConfig, ...]:
    """The clinical variables of a model, as the service tells them."""
    from pydantic import ValidationError

    from cardiograph.config import VariableConfig

    try:
        fields = [{key: told[key] for key in VariableConfig.model_fields if key in told} for told in model["variables"]]
        return tuple(VariableConfig(**each) for each in fields)
    except (KeyError, TypeError, ValidationError) as error:
        message = "the service does not tell the variables of its model as expected; compare the versions"
        raise ServiceError(message) from error
