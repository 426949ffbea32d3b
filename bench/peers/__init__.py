"""What our own is measured against, in the same run."""
