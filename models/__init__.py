"""Learners and indexes: arrays in, arrays out."""
