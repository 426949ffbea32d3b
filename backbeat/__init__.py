"""The command line, one module a command, and the composition of whatever it starts."""
