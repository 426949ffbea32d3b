"""How Backbeat and the servers beside it are installed and started."""
