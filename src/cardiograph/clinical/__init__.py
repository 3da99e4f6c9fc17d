"""Clinical values: the matrix of a cohort, its simulation, its scaling."""
