"""Credentials: schemas, issuer, holder, revocation, exchange formats.

Import what you need from the modules; nothing heavy is loaded here.
"""
