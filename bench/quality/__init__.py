"""How good lists are, ours and our peers', on the same splits of public data sets."""
