"""Progress where stderr is a pipe: a line at fixed intervals, from every long command, and nothing from a short one."""

import io
import re
import time
from contextlib import contextmanager

import pytest

from cardiograph.cli import console, progress
from cardiograph.cli.app import main
from cardiograph.cli.progress import Lines

LONG = [
    ["run", "cohort.csv"],
    ["evaluate", "runs/a", "other.csv"],
    ["extend", "runs/a", "new.csv", "--out", "runs/b"],
    ["compare", "cohort.csv"],
    ["ladder", "cohort.csv"],
    ["predict", "runs/a", "--table", "new.csv"],
    ["audit", "cohort.csv"],
    ["synth", "cohort"],
    ["demo"],
    ["check-maps", "runs/a"],
]


def test_a_line_says_the_stage_its_steps_and_its_seconds():
    seconds = [100.0]
    lines = Lines(io.StringIO(), seconds=10, clock=lambda: seconds[0])
    lines.start("reading ECGs", 690, unit="files")
    lines.advance(12)
    lines.advance()
    seconds[0] += 21.4
    assert lines.line == "reading ECGs: 13 of 690 files, 21 s, about 1114 s left"
    lines.start("report", 1)
    assert lines.line == "report: 0 s"


def test_lines_come_while_the_block_runs_and_stop_with_it():
    stream = io.StringIO()
    lines = Lines(stream, seconds=0.01)
    with lines.open():
        lines.start("training", 4)
        deadline = time.monotonic() + 10
        while stream.getvalue().count("\n") < 3:
            assert time.monotonic() < deadline, "no lines were written"
            time.sleep(0.005)
    output = stream.getvalue()
    assert output.splitlines()[-1] == "training: 0 of 4, 0 s"
    time.sleep(0.05)
    assert stream.getvalue() == output


def test_a_reader_that_has_gone_does_not_stop_the_work():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with Lines(Gone(), seconds=0.001).open():
        time.sleep(0.02)


def test_work_that_is_done_before_the_first_line_is_due_writes_none(capsys):
    with console.bars() as shown:
        shown.start("reading", 3)
        shown.advance(3)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arguments", LONG, ids=lambda words: words[0])
def test_every_long_command_shows_its_progress(arguments, monkeypatch, tmp_path):
    class ShownError(Exception):
        pass

    @contextmanager
    def shown():
        raise ShownError
        yield

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "bars", shown)
    with pytest.raises(ShownError):
        main(arguments)


def test_a_command_on_a_pipe_writes_its_lines_to_stderr_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.01)
    with pytest.raises(SystemExit) as ended:
        main(["synth", str(tmp_path / "cohort"), "--patients", "12", "--json"])
    assert not ended.value.code
    output = capsys.readouterr()
    assert re.search(r"^drawing pages: \d+ of \d+ ECGs, \d+ s$", output.err, re.MULTILINE)
    assert output.out.startswith("{")
