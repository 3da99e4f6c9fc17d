"""Node features: clinical values, their scaling, and the fusion of blocks."""
