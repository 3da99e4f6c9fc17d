"""Where work on many files runs: in this process, in several processes, or on a Ray cluster."""

from cardiograph.workers.place import Held, Workers, current_workers, work_on

__all__ = ["Held", "Workers", "current_workers", "work_on"]
