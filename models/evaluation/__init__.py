"""How good a model is: splits without leakage, metrics, and how sure we are of a difference."""
