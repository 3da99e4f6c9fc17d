"""Pages as pixels: reading, checking, finding the trace area, augmenting, embedding. Knows no patient and no label."""
