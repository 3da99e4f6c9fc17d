"""Arrays in, numbers and the report out: metrics, intervals, calibration, threshold, verdict, figures."""
