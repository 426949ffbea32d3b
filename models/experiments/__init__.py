"""The statistics of experiments: who is in which arm, whether the arms are sound, and what they say."""
