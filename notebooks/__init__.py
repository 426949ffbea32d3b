"""Numbered notebooks for data scientists, and `python -m notebooks`, which executes them."""
