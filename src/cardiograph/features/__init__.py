"""Node features: clinical values, scaling, and fusion with image embeddings."""
