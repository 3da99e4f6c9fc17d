"""``python -m cardiograph``."""

from cardiograph.cli.app import main

main()
