"""Studies of many runs: comparisons of models and ladders of faults. Only studies and CLI import faults."""
