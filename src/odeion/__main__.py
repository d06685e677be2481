"""`python -m odeion`."""

from odeion.entrypoints.cli import main

main()
