"""Pure folds: a row and a record of the log give the next row."""
