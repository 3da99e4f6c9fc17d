"""Arrays in, numbers out: calibrated probabilities, Venn-Abers intervals, conformal sets, a gate against unlike records."""
