"""`python -m backbeat`: the command line, where the script is not on the path."""

from backbeat.cli import main

main()
