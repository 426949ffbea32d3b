"""Learners and indexes: arrays in, arrays out. No network, clock or environment, files only by paths given."""
