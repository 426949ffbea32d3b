"""Real time: pure folds over the events of the log, and what drives them."""
