"""``cardiograph report`` shows what the run stored."""

import html
import json

from tests.cli.commands import call


def test_a_report_shows_the_inflation_and_the_audit(finished_run):
    output = json.loads(call("report", finished_run, "--json")[1])
    text = html.unescape((finished_run / "report.html").read_text())
    assert output["metrics"]["inflation"]["sentence"] in text
    assert 'id="audit"' in text and "drawn by this run" in text
    assert output["cautions"] == []
