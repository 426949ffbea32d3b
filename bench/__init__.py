"""Benchmarks, each with its peer measured in the same run."""
