"""The rules of the business, each said once.

They are made of operators only, so that the same line runs on an int, a NumPy array and a Spark Column.
"""
