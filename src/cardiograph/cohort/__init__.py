"""From a table of patients to a checked, grouped and split cohort."""
