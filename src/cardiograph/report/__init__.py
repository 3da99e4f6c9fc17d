"""Report: numbers in, HTML and figures out."""
