"""Encrypted credit records: committed on the log, kept by the holder, shared by choice.

Import what you need from the modules; nothing is loaded here, since messages need
:mod:`zkcredit.records.commitment` before the rest can be imported.
"""
