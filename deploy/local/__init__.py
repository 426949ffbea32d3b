"""The real servers on this machine, a module each: what installs it, how it starts, when it is ready, how it stops."""
