"""Networks over the patient graph, the same features without it, and their training."""
