"""Import of public cohorts: one adapter for each, which reads the files as their owners ship them."""
