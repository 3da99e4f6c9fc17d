"""Settings of how tables and ECG files are read, the first sections of a configuration."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cardiograph.schema import ClinicalVariable


class Section(BaseModel):
    """Base of all sections: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class VariableConfig(Section):
    """A clinical variable that the package does not know, or a known one with different limits."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Column name in lower case.")
    title: str = Field("", description="Display name; the column name by default.")
    unit: str = Field("", description="Unit shown with values.")
    low: float = Field(description="Smallest allowed value.")
    high: float = Field(description="Largest allowed value.")
    transform: Literal["identity", "log"] = Field("identity", description="Transform applied before scaling.")
    whole: bool = Field(False, description="Allow whole numbers only.")
    categories: tuple[str, ...] = Field(
        (), description="Ordered categories of a text column, such as ['female|f', 'male|m']; omit low and high."
    )

    @model_validator(mode="before")
    @classmethod
    def _range_of_categories(cls, content: object) -> object:
        if isinstance(content, dict) and content.get("categories"):
            return {"low": 0, "high": len(content["categories"]) - 1, "whole": True, **content}
        return content

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if self.low >= self.high:
            message = f"variable {self.name!r}: low {self.low:g} is not below high {self.high:g}"
            raise ValueError(message)
        if self.transform == "log" and self.low <= 0:
            message = f"variable {self.name!r}: a log transform needs low > 0"
            raise ValueError(message)
        if not self.categories:
            return self
        spellings = [text.strip().casefold() for each in self.categories for text in each.split("|")]
        if len(self.categories) < 2 or "" in spellings or len(set(spellings)) < len(spellings):
            message = f"variable {self.name!r}: give at least two categories, and no spelling twice"
            raise ValueError(message)
        if (self.low, self.high, self.whole, self.transform) != (0, len(self.categories) - 1, True, "identity"):
            message = f"variable {self.name!r}: categories exclude low, high, whole and transform; remove these keys"
            raise ValueError(message)
        return self

    def variable(self) -> ClinicalVariable:
        """Return the variable that this section describes."""
        return ClinicalVariable(**{**self.model_dump(), "title": self.title or self.name})


class CohortConfig(Section):
    """How the cohort table or the folder of ECG pages is read."""

    map: dict[str, str] = Field(
        default_factory=dict, description="Standard column name -> name in the table, e.g. ntprobnp = 'NTproBNP'."
    )
    convert: dict[str, str] = Field(
        default_factory=dict, description="Variable -> unit in which the table gives it, e.g. ef = 'percent'."
    )
    missing: tuple[str, ...] = Field(
        (),
        description="Codes for 'not measured': 'sbp=999' in one column, '999' in all; empty cells are always missing.",
    )
    decimal: Literal["auto", ".", ","] = Field(
        "auto", description="Decimal mark of a text table; auto detects a comma if no number contradicts it."
    )
    positive: tuple[str, ...] = Field(
        (), description="Classes with label 1, if labels are words or class folders; 'a,b' can name two classes."
    )
    variables: tuple[VariableConfig, ...] = Field(
        (), description="Additional clinical variables, or other limits for known ones."
    )
    modality: Literal["auto", "image", "clinical"] = Field(
        "auto", description="Use pages and clinical values as available (auto), pages only, or clinical values only."
    )
    max_rows: int = Field(
        2_000_000, ge=1, description="Largest number of rows of a table; a million rows take about 1.5 GB of memory."
    )
    label_definition: tuple[str, ...] = Field(
        (), description="Columns that define the label, e.g. 'ef'; the audit blocks models that use them as input."
    )


class PagesConfig(Section):
    """How ECG files are read and which part of a page the encoder sees."""

    view: Literal["grid", "whole", "box"] = Field(
        "grid", description="Part of the page to encode: the detected ECG grid, the whole page, or a fixed box."
    )
    box: tuple[int, int, int, int] | None = Field(
        None, description="Left, top, right and bottom of the box in pixels; required by view = 'box'."
    )
    skip_bad: bool = Field(False, description="Continue without unusable pages; the report lists them.")
    max_pixels: int = Field(100_000_000, gt=0, description="Maximum pixels of a page; larger ones are not decoded.")
    gate: bool = Field(
        True,
        description="Exclude or refuse pages that do not look like an upright ECG; if false, keep them with a warning.",
    )
    near_copies: bool = Field(True, description="Group near-duplicate pages, not only pages with identical pixels.")
    rate: float | None = Field(
        None, gt=0, description="Sampling rate in Hz of files of signals that do not state theirs, such as HDF5 files."
    )
    unit: Literal["mV", "uV", "nV", "V"] | None = Field(
        None, description="Unit of the samples of files of signals that do not state theirs."
    )
    gain: float | None = Field(None, gt=0, description="Instead of unit: units of such a file per millivolt.")
    leads: tuple[str, ...] = Field(
        (), description="Names of the channels of files of signals without names, in the order of the file."
    )

    @model_validator(mode="after")
    def _scale(self) -> Self:
        if self.unit is not None and self.gain is not None:
            message = f"pages.unit is {self.unit} and pages.gain {self.gain:g}; one of the two suffices"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _box(self) -> Self:
        if (self.view == "box") != (self.box is not None):
            message = "pages.box and view = 'box' require each other; set both or neither"
            raise ValueError(message)
        if self.box is not None:
            left, top, right, bottom = self.box
            if min(self.box) < 0 or right - left < 100 or bottom - top < 100:
                message = f"pages.box is {self.box}; left, top, right, bottom in pixels, at least 100 x 100"
                raise ValueError(message)
        return self
