"""Reading and embedding the pages of a whole cohort, with caches and augmentation."""
