"""Output on a terminal: complete, and free of control characters."""

import re

import pytest

from cardiograph.audit.findings import Audit, Finding, Probe
from cardiograph.cli import console
from cardiograph.cli.app import main
from cardiograph.errors import ConfigError


def test_the_terminal_shows_all_of_an_audit_and_no_control_characters(capsys):
    hostile = "\x1b[31m[red]a\nb\r|"
    finding = Finding("late_column", "block", f"Text {hostile}", f"Do {hostile}", (hostile, *"bcdefg"), "x")
    probe = Probe(f"probe {hostile}", 0.7, 0.6, 0.8, 12, f"how {hostile}", shortcut=True)
    classes = {f"class {hostile}": {"files": 5, "different": 3}}
    split = f"split {hostile}"
    console.show_audit(Audit("c", 5, 5, 3, classes, split, (finding,), (probe,)), f"out/{hostile}")
    output = capsys.readouterr().out
    assert "\x1b" not in output and "\r" not in output
    assert output.count("[red]a b") == 8
    for text in ("late_column", "blocks", "what to do: Do", "and 3 more", "0.700 (0.600 to 0.800)", "1 finding blocks"):
        assert text in output, text


def test_the_seconds_of_stages_add_up(capsys):
    console.show_seconds({"reading ECGs": 1.25, "training sign": 2.5}, {"reading ECGs": 36.04})
    output = capsys.readouterr().err
    assert "reading ECGs" in output and "2.5" in output
    *_, total, _, rate = output.splitlines()
    assert total.split() == ["total", "3.8"]
    assert rate == "reading ECGs: 36.0 files per second"


def test_a_bar_of_files_shows_its_rate_and_others_do_not(capsys):
    shown, seconds = console.ProgressBars(), [0.0]
    shown.progress.get_time = lambda: seconds[0]
    for stage, unit in (("reading ECGs", "files"), ("training sign", "")):
        shown.start(stage, 50, unit=unit)
        shown.advance(40)  # from the cache: they count for no rate
        for _ in range(10):
            seconds[0] += 0.25
            shown.advance()
    shown.progress.console.width = 150
    shown.progress.console.print(shown.progress.get_renderable())
    reading, training = capsys.readouterr().err.splitlines()
    assert reading.split()[-2:] == ["4.0", "files/s"]
    assert "/s" not in training


def test_an_error_keeps_its_lines_and_loses_control_characters(capsys):
    console.show_error(ConfigError("first \x1b[31m\n  second"), as_json=False)
    assert capsys.readouterr().err == "error: first  [31m\n  second\n"


def test_faults_are_a_line_for_each_kind(tmp_path, capsys):
    (tmp_path / "bad.csv").write_text("patient_id,label,ef\na,1,45\nb,0,0.5\n")
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "bad.csv"), "--out", str(tmp_path / "run")])
    assert ended.value.code == 3
    output = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert "error:" in output and "row 2: ef is 45; allowed 0.05-0.9 fraction" in output
