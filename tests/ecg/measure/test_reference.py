from pathlib import Path

import pytest

from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.measurements import Measurement
from cardiograph.ecg.measure.reference import MEASUREMENTS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "measurements.md"


def table_rows():
    """The table of the documentation; leads that have the same reference range share a row."""
    rows = {}
    for name, spec in MEASUREMENTS.items():
        text = Measurement(1.0, spec.unit, spec.low, spec.high).range_text
        kind, title = name, spec.title
        if spec.per_lead:
            kind, title = name.rsplit("_", 1)[0] + "_LEAD", spec.title.rsplit(" ", 1)[0] + " LEAD"
        rows.setdefault((kind, title, spec.unit, text, spec.source), []).append(name.rsplit("_", 1)[-1])
    lines = []
    for (kind, title, unit, text, source), leads in rows.items():
        shown = (
            f"{title} ({', '.join(leads)})"
            if 1 < len(leads) < len(LEADS) or (leads[0] in LEADS and len(leads) == 1)
            else title
        )
        lines.append(f"| `{kind}` | {shown} | {unit} | {text} | {source} |")
    return lines


def test_documentation_lists_every_measurement():
    text = PAGE.read_text()
    table = text[text.index("| name |") :].splitlines()[2:]
    assert table[: len(table_rows())] == table_rows()


def test_every_measurement_has_a_source_and_a_title():
    assert not [name for name, spec in MEASUREMENTS.items() if not spec.source or not spec.title]


@pytest.mark.parametrize(
    ("low", "high", "value", "inside", "text"),
    [
        (1, 2, 1.5, True, "1 to 2"),
        (None, 2, 3, False, "up to 2"),
        (1, None, 0, False, "from 1"),
        (None, None, 0, None, ""),
    ],
)
def test_reference_range(low, high, value, inside, text):
    found = Measurement(value, "mV", low, high)
    assert found.in_range is inside
    assert found.range_text == text


def test_a_missing_value_needs_a_reason():
    with pytest.raises(ValueError, match="NaN needs a reason"):
        Measurement(float("nan"), "mV")
    assert Measurement(float("nan"), "mV", 1, 2, "lead V1 shows no whole beat").in_range is None
