"""Encrypted credit records: committed on the log, kept by the holder, shared by choice."""
