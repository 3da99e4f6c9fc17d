"""LUDB: its recordings with boundaries, and the training of the network that locates them."""
