"""The stages of a run that join the parts: pages in, encoder, augmentation, fitting, scores, report."""
