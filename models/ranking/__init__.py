"""Two stages: sources propose candidates, a forest ranks them, and re-ranking makes a list that one would listen to."""
