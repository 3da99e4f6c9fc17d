"""Time-to-event outcomes: curves, scores under censoring, Cox regression, network heads, the MAGGIC score."""
