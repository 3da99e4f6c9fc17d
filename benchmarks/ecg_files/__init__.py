"""One ECG as a file of each format, and damaged copies of a file: for tests and for the benchmark of the readers."""
