"""``cardiograph report``: render the report of a finished run again."""

from __future__ import annotations

from cardiograph.cli.options import AsJson, RunArgument
from cardiograph.cli.run import show_run


def report(run: RunArgument, as_json: AsJson = False) -> None:
    """Write report.html and model_card.md of a finished run again, and show its scores."""
    from cardiograph.artifacts.run import RunDirectory
    from cardiograph.run.report import require_trained, write_report

    directory = RunDirectory(run)
    directory.require_finished()
    require_trained(directory)
    if directory.config().outcome.kind == "survival":
        from cardiograph.cli.survival import report_survival

        report_survival(directory, as_json=as_json)
        return
    with directory.locked():
        write_report(directory)
    show_run(run, directory.read_metrics(), as_json=as_json)
