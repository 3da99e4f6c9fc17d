"""The audit: what would make a score worthless, found before anything is learnt. It knows no model."""
