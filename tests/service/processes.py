"""A service in a process of its own, as ``cardiograph serve`` starts it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = "from cardiograph.cli.app import main; main()"


class Process:
    """Started with a free port; its log goes to a file in ``folder``."""

    def __init__(self, run, folder, *options):
        self.database = str(folder / "records.sqlite")
        environment = os.environ | {"CARDIOGRAPH_DATABASE": self.database}
        self.log = folder / "log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "serve", str(run), "--port", "0", *options],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=folder,
                text=True,
            )
        first = self.process.stdout.readline()
        assert " on http" in first, first + self.log.read_text()
        self.url = first.split(" on ")[1].strip()
        self.notice = self.process.stdout.readline()

    @property
    def peak_mib(self):
        """Most memory the process has held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024

    def stop(self, by=signal.SIGTERM):
        """Exit status after a signal."""
        self.process.send_signal(by)
        return self.process.wait(60)
