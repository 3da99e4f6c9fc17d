"""``python -m cardiograph``."""

from cardiograph.cli import main

main()
