"""Reading, checking, grouping and splitting of a cohort."""
