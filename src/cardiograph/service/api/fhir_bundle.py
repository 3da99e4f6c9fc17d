"""A FHIR R4 Bundle about one patient, as a query: values from Observations, the ECG from an attachment or SampledData."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from typing import Any

from cardiograph.errors import Issue
from cardiograph.inference import Query
from cardiograph.schema import ClinicalVariable
from cardiograph.service.api.fhir_codes import LOINC, NYHA_CLASSES, UCUM, Code, code_of
from cardiograph.service.api.fhir_sampled import SampledError, lead_of, sampled_file
from cardiograph.service.api.json_body import parse_json
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.api.schemas import PATIENT

MAX_ENTRIES = 200
MAX_SCHEMA_ISSUES = 3
"""Maximum number of faults of one resource that are named."""

RESOURCES = ("Patient", "Observation", "DocumentReference", "Media")
_WITHDRAWN = ("entered-in-error", "cancelled")
_SAME_UNIT = {"pg/mL": ("pg/mL", "ng/L")}
"""UCUM unit -> units in which the number is the same."""

_NYHA_ANSWERS = {answer: number for number, (_, answer) in NYHA_CLASSES.items()}

Resource = Mapping[str, Any]


@lru_cache(maxsize=1)
def r4_schema() -> dict[str, Any]:
    """Return HL7's JSON schema of FHIR R4, reduced to the resources that are read and written.

    It says of no element with parts that it must be an object, so this is added.
    """
    content = files("cardiograph.service.api").joinpath("fhir_r4.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(content)
    for definition in schema["definitions"].values():
        if "properties" in definition:
            definition["type"] = "object"
    return schema


@lru_cache(maxsize=len(RESOURCES) + 1)
def _validator(kind: str) -> Any:  # noqa: ANN401 - imported late
    from jsonschema import Draft6Validator

    return Draft6Validator({**r4_schema(), "$ref": f"#/definitions/{kind}"})


def bundle_query(body: bytes, variables: Sequence[ClinicalVariable], columns: Mapping[str, str] | None) -> Query:
    """Read a Bundle.

    Args:
        body: JSON of the Bundle.
        variables: Variables of the model.
        columns: Variable -> column of the cohort, which distinguishes BNP and NT-proBNP; None if unknown.

    Raises:
        ProblemError: 400 if it is not JSON, 422 with all faults if it is not a Bundle about one patient for this model.

    Source: HL7 FHIR R4 (4.0.1): Bundle, Patient, Observation, DocumentReference, Media, SampledData, and its JSON schema.
    """
    reader = _BundleReader(variables, columns)
    reader.read(parse_json(body))
    if reader.issues:
        raise reader.problem()
    return Query(reader.ecg, reader.values, PATIENT, reader.patient_id)


class _BundleReader:
    """Collects values, the ECG and all faults."""

    def __init__(self, variables: Sequence[ClinicalVariable], columns: Mapping[str, str] | None) -> None:
        self.variables = {each.name: each for each in variables}
        self.codes = {each.name: code_of(each, columns) for each in variables}
        self.values: dict[str, float | None] = {}
        self.ecg: bytes | None = None
        self.patient_id: str | None = None
        self.issues: list[Issue] = []
        self._birth: str | None = None
        self._ecg_time = ""

    def fault(self, where: str, element: str, value: object, rule: str, remedy: str) -> None:
        """Note a fault."""
        shown = value if isinstance(value, (str, int, float)) else type(value).__name__
        self.issues.append(Issue(where, element, str(shown)[:40], rule, remedy, "bad_fhir"))

    def problem(self) -> ProblemError:
        """Return the refusal."""
        message = "The Bundle cannot be read as one patient for this model."
        return ProblemError(422, "bad_request", message, issues=self.issues)

    def read(self, bundle: Any) -> None:  # noqa: ANN401 - any JSON
        """Read all entries."""
        if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
            found = bundle.get("resourceType", "") if isinstance(bundle, dict) else bundle
            self.fault("Bundle", "resourceType", found, "the body is a Bundle", "wrap the resources in a Bundle")
            return
        entries = bundle.get("entry")
        if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_ENTRIES:
            found = len(entries) if isinstance(entries, list) else entries
            self.fault("Bundle", "entry", found, f"a list of 1 to {MAX_ENTRIES} entries", "send one patient")
            return
        resources: list[Any] = [each.get("resource") if isinstance(each, dict) else None for each in entries]
        without = [{key: each[key] for key in each if key != "resource"} for each in entries if isinstance(each, dict)]
        if not self._check("Bundle", "Bundle", {**bundle, "entry": without}):
            return
        checked = [self._check_resource(f"entry[{number}]", each) for number, each in enumerate(resources)]
        kept = [number for number, valid in enumerate(checked) if valid]
        named = [(f"entry[{number}] {resources[number]['resourceType']}", resources[number]) for number in kept]
        self._check_subjects(named, [entries[number].get("fullUrl") for number in kept])
        for where, resource in named:
            if resource.get("status") in _WITHDRAWN:
                self.fault(where, "status", resource["status"], "the result is valid", "leave it out")
            elif resource["resourceType"] == "Observation":
                self._observation(where, resource)
            elif resource["resourceType"] == "DocumentReference":
                self._document(where, resource)
            elif resource["resourceType"] == "Media":
                self._attachment(where, resource["content"], _time(resource, "created"))
        self._age_at_ecg()

    def _check_resource(self, where: str, resource: Any) -> bool:  # noqa: ANN401 - any JSON
        kind = resource.get("resourceType") if isinstance(resource, dict) else ""
        if kind in RESOURCES:
            return self._check(f"{where} {kind}", kind, resource)
        rule = f"resources are {', '.join(RESOURCES)}"
        self.fault(where, "resourceType", kind, rule, "leave it out")
        return False

    def _check(self, where: str, kind: str, content: Resource) -> bool:
        """Validate a resource by HL7's schema, and note its first faults."""
        faults = list(islice(_validator(kind).iter_errors(content), MAX_SCHEMA_ISSUES))
        for error in faults:
            element = ".".join(str(each) for each in error.absolute_path)
            self.fault(where, element, error.instance, f"FHIR R4: {error.message[:200]}", "correct it")
        return not faults

    def _check_subjects(self, named: Sequence[tuple[str, Resource]], urls: Sequence[str | None]) -> None:
        """Find the patient, and refuse results of anyone else."""
        patients = [index for index, (_, each) in enumerate(named) if each.get("resourceType") == "Patient"]
        if len(patients) > 1:
            self.fault(named[patients[1]][0], "id", "", "one patient", "send a Bundle for each patient")
            return
        own: set[str] = set()
        if patients:
            patient = named[patients[0]][1]
            self._birth, self.patient_id = patient.get("birthDate"), patient.get("id")
            own = {name for name in (urls[patients[0]], self.patient_id and f"Patient/{self.patient_id}") if name}
        for where, resource in named:
            subject = (resource.get("subject") or {}).get("reference")
            if subject is None:
                continue
            if not patients and not own:
                own = {subject}
            if subject not in own and not any(subject.endswith(f"/{name}") for name in own):
                self.fault(where, "subject", subject, "all results are of one patient", "leave out those of others")

    def _observation(self, where: str, resource: Resource) -> None:
        parts = list(resource.get("component") or [])
        signals = [(each, each["valueSampledData"]) for each in (resource, *parts) if "valueSampledData" in each]
        if signals:
            self._sampled(where, signals, _time(resource, "effective"))
            return
        if any(key.startswith("value") or key == "dataAbsentReason" for key in resource) or not parts:
            parts = [resource]
        found = [(part, variable) for part in parts if (variable := self._variable(part.get("code") or {}))]
        if not found:
            codes = [f"{code.code} ({name})" for name, code in self.codes.items() if code]
            texts = [each.title for name, each in self.variables.items() if not self.codes[name]]
            rule = f"the model uses {', '.join([*codes, *texts])}, and signals with MDC codes"
            self.fault(where, "code", _shown(resource.get("code") or {}), rule, "leave it out")
        for part, variable in found:
            value = self._value(where, part, variable)
            if variable.name in self.values:
                self.fault(where, variable.name, "", "each value is given once", "send the one that is to be used")
            self.values[variable.name] = value

    def _variable(self, concept: Resource) -> ClinicalVariable | None:
        """Return the variable that a CodeableConcept names by LOINC, or, where it has no code, by its title."""
        codes = [each.get("code") for each in concept.get("coding") or [] if each.get("system") == LOINC]
        for name, variable in self.variables.items():
            code = self.codes[name]
            named = concept.get("text") in (variable.title, variable.name) if code is None else code.code in codes
            if named:
                return variable
        return None

    def _value(self, where: str, part: Resource, variable: ClinicalVariable) -> float | None:
        """Return the value in the unit of the variable; None if it is said to be absent, or faulty."""
        code = self.codes[variable.name]
        if "valueCodeableConcept" in part:
            return self._class(where, part["valueCodeableConcept"], variable, nyha=variable.name == "nyha")
        if "valueInteger" in part and (code is None or not code.ucum):
            return float(part["valueInteger"])
        quantity = part.get("valueQuantity")
        if quantity is None:
            if "dataAbsentReason" not in part:
                rule = "valueQuantity, or valueCodeableConcept for a class"
                self.fault(where, variable.name, "", rule, "give the value in one of these")
            return None
        value, unit = quantity.get("value"), quantity.get("code") or quantity.get("unit") or ""
        if "comparator" in quantity:
            self.fault(where, variable.name, quantity["comparator"], "an exact value", "leave it out")
        elif not isinstance(value, (int, float)) or isinstance(value, bool):
            self.fault(where, variable.name, value or "", "a number", "correct it")
        elif unit not in _units(variable, code) or quantity.get("system", UCUM) != UCUM:
            allowed = " or ".join(_units(variable, code)) or "none"
            self.fault(where, variable.name, unit, f"the unit is {allowed}", "convert the value")
        else:
            return float(Decimal(str(value)).scaleb(-2)) if code and code.per_cent and unit == "%" else float(value)
        return None

    def _class(self, where: str, concept: Resource, variable: ClinicalVariable, *, nyha: bool) -> float | None:
        """Return the number of a class: an answer of LOINC, or a word of the variable."""
        codes = [each.get("code") for each in concept.get("coding") or [] if each.get("system") == LOINC]
        if nyha and len(codes) == 1 and codes[0] in _NYHA_ANSWERS:
            return float(_NYHA_ANSWERS[codes[0]])
        value = None if nyha else variable.category(concept.get("text") or "")
        if value is None:
            rule = f"LOINC answers {', '.join(_NYHA_ANSWERS)}" if nyha else variable.allowed
            self.fault(where, variable.name, _shown(concept), rule, "correct it, or leave it out")
        return value

    def _document(self, where: str, resource: Resource) -> None:
        contents = resource.get("content") or []
        if len(contents) != 1:
            self.fault(where, "content", len(contents), "one attachment", "keep the one that is to be read")
            return
        context = resource.get("context") or {}
        self._attachment(where, contents[0].get("attachment") or {}, (context.get("period") or {}).get("start") or "")

    def _attachment(self, where: str, attachment: Resource, time: str) -> None:
        data = attachment.get("data")
        if data is None:
            rule = "the content is in `data`, as base64; the service fetches nothing"
            self.fault(where, "attachment", attachment.get("url", ""), rule, "send the file in the Bundle")
            return
        try:
            content = base64.b64decode(data, validate=True)
            stated = base64.b64decode(attachment["hash"], validate=True) if "hash" in attachment else None
        except (binascii.Error, ValueError):
            self.fault(where, "attachment", "", "data and hash are base64", "encode them again")
            return
        if attachment.get("size", len(content)) != len(content):
            self.fault(where, "size", attachment["size"], f"the data have {len(content)} bytes", "send the whole file")
        if stated is not None and stated != hashlib.sha1(content, usedforsecurity=False).digest():
            self.fault(where, "hash", attachment["hash"], "the SHA-1 of the data", "send the whole file")
        self._take_ecg(where, content, time or attachment.get("creation") or "")

    def _sampled(self, where: str, signals: Sequence[tuple[Resource, Resource]], time: str) -> None:
        leads = []
        for part, data in signals:
            lead = lead_of(part.get("code") or {})
            if lead is None:
                rule = "the MDC code of one of the twelve leads, such as 131329 for I"
                self.fault(where, "code", _shown(part.get("code") or {}), rule, "leave other signals out")
            else:
                leads.append((lead, data))
        if len(leads) == len(signals):
            try:
                self._take_ecg(where, sampled_file(leads), time)
            except SampledError as error:
                self.fault(where, error.element, error.value, error.rule, "correct it")

    def _take_ecg(self, where: str, content: bytes, time: str) -> None:
        if self.ecg is not None:
            self.fault(where, "", "", "one ECG", "send a Bundle for each ECG")
        self.ecg, self._ecg_time = content, time

    def _age_at_ecg(self) -> None:
        """Compute the age from the date of birth and that of the ECG, if the model uses it and no Observation gives it."""
        if "age" not in self.variables or "age" in self.values or not self._birth or self.ecg is None:
            return
        try:
            born, seen = date.fromisoformat(self._birth), date.fromisoformat(self._ecg_time[:10])
        except ValueError:
            rule = "for the age, whole dates of birth and of the ECG, or an Observation 30525-0"
            self.fault("Patient", "birthDate", self._birth, rule, "give the age as an Observation")
            return
        had_birthday = (seen.month, seen.day) >= (born.month, born.day)
        self.values["age"] = float(seen.year - born.year - (not had_birthday))


def _units(variable: ClinicalVariable, code: Code | None) -> tuple[str, ...]:
    """Return the units in which a value is taken."""
    if code is None:
        return (variable.unit,)
    if not code.ucum:
        return ("", "1", "{class}")
    return (code.ucum, "1") if code.per_cent else _SAME_UNIT.get(code.ucum, (code.ucum, code.unit))


def _time(resource: Resource, name: str) -> str:
    """Return the time of a resource; an empty string if it is unknown."""
    period = resource.get(f"{name}Period") or {}
    return resource.get(f"{name}DateTime") or period.get("start") or ""


def _shown(concept: Resource) -> str:
    """Return the codes of a CodeableConcept, or its text."""
    return ", ".join(_codes(concept)) or str(concept.get("text", ""))


def _codes(concept: Resource) -> Iterator[str]:
    for each in concept.get("coding") or []:
        yield str(each.get("code", ""))
