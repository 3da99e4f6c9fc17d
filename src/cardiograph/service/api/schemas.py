"""Request and response types of the API."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, FailFast, Field

from cardiograph.inference import Query

# A new field touches at most three files.
# Response field: `Prediction` in containers/answers.py, its value in inference/answers.py, `PredictionBody` here.
# Request field: `PatientRequest` here, `patient_fields` in api/openapi.py, and for the multipart form `FIELDS` and
# `query_of` in api/predictions.py.

PATIENT = "patient"
"""Name of a patient in issues: the service knows no real name."""

Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class PatientRequest(BaseModel):
    """Body of a request without a page; also each line of a batch, which may have one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    values: dict[str, Number | None] = Field(default_factory=dict)
    patient_id: str | None = Field(default=None, max_length=200)
    gate: bool | None = None

    def query(self, page: bytes | None = None) -> Query:
        """Return the query for the predictor."""
        return Query(page, self.values, PATIENT, self.patient_id, self.gate)


class BatchLine(PatientRequest):
    """A line of a batch."""

    id: str | int | None = None
    page: str | None = None


class Neighbour(BaseModel):
    """A similar reference record."""

    record_id: str
    distance: Number
    label: int = Field(description="from 0, or -1 (unlabelled)")
    clinical: dict[str, Number | None]
    class_name: str | None = Field(None, description="of its label; null for a binary outcome")


class StatementBody(BaseModel):
    """A statement about the ECG, as the encoder reads it."""

    name: str
    group: str
    probability: Share = Field(description="calibrated on simulated hearts")


class ValueBody(BaseModel):
    """A value that the encoder reads in the ECG."""

    name: str
    value: Number
    unit: str
    error: Number = Field(description="standard deviation of the error on simulated hearts, in the unit")


class ReadingsBody(BaseModel):
    """What the encoder reads in the ECG: readings of a model, not measurements and not a diagnosis."""

    statements: list[StatementBody]
    values: list[ValueBody]


class PredictionBody(BaseModel):
    """The answer of the model."""

    probability: Share = Field(description="of the outcome, or of the most likely of several classes")
    positive: bool | None = Field(description="whether the probability reaches the threshold")
    threshold: Number | None
    outcome: str
    neighbours: Annotated[list[Neighbour], FailFast()]
    provenance: str
    warnings: list[str]
    missing: list[str]
    low: Share | None = Field(description="lower end of the interval of the probability")
    high: Share | None
    decision: str = Field(
        description="positive, negative, can't tell, unlike both, too few, void, or no estimate; with several classes: one "
        "class, several classes, unlike all, or too few; for a time-to-event outcome: risk only"
    )
    novelty: Share | None
    readings: ReadingsBody | None = Field(None, description="of the shipped encoder of leads; null for others")
    classes: dict[str, Share] = Field(
        {}, description="probability of each of several classes; empty for a binary outcome"
    )
    likely: str | None = Field(None, description="the most likely of several classes")
    conformal_set: list[str] | None = Field(None, description="classes that cannot be ruled out, most likely first")


class FollowedNeighbourBody(Neighbour):
    """A similar reference record with its follow-up."""

    time: Number | None = Field(None, description="to the event or the end of follow-up; null without follow-up")
    event: int | None = Field(None, description="0 censored, 1 the event, 2 and above a competing event")


class RiskPointBody(BaseModel):
    """Risk by a time."""

    time: Number = Field(description="in the unit of the prediction")
    risk: Share
    low: Share = Field(description="lower end of the band")
    high: Share


class SurvivalBody(PredictionBody):
    """The answer of a model of the time to an event; `probability` is the risk by the last horizon."""

    # a list of a subclass is no subtype for mypy, which matters only to code that writes to it
    neighbours: Annotated[list[FollowedNeighbourBody], FailFast()]  # type: ignore[assignment]
    unit: str = Field(description="of all times")
    risks: list[RiskPointBody] = Field(description="by each horizon")
    curve: list[RiskPointBody] = Field(description="from 0 to the last horizon")
    band: str = Field(description="what the band is; empty without one")


class LabelsBody(BaseModel):
    """The answer of a model of several labels at once."""

    labels: dict[str, PredictionBody]


class Model(BaseModel):
    """Which model answered."""

    sha256: str = Field(description="of its bundle.json")
    run: str | None = Field(description="null where another model than the one served now gave the answer")
    outcome: str


class _Answer(BaseModel):
    id: str
    created_at: str
    model: Model
    links: dict[str, str]
    notice: str


class PredictionAnswer(_Answer):
    """A scored patient."""

    prediction: PredictionBody


class SurvivalAnswer(_Answer):
    """A scored patient, by a model of the time to an event."""

    prediction: SurvivalBody


class LabelsAnswer(_Answer):
    """A scored patient, by a model of several labels."""

    prediction: LabelsBody


class OutcomesAnswer(BaseModel):
    """What became of a list of outcomes."""

    stored: int = Field(ge=0, description="outcomes that are new or replaced")
    unchanged: int = Field(ge=0, description="outcomes that were stored already with the same content")


class IssueAnswer(BaseModel):
    """A fault of what was sent."""

    where: str
    column: str
    value: str
    rule: str
    remedy: str
    code: str


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    issues: list[IssueAnswer]
