"""Batch: a module per dataset produced, each a pure DataFrame -> DataFrame and a thin main; plan.py says the order."""
