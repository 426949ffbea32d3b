"""Faults injected on purpose, and the books checked after each: `python -m drills --rounds N --seed S`."""
