"""Rows and answers → the output file, and what it came to."""
