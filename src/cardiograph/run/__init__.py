"""The pipeline of a run as a list of named steps, its outputs and its metadata."""

from cardiograph.callable_package import make_callable

make_callable(__name__, "cardiograph.run.pipeline:run")
