"""Policies: what a verifier asks, how a holder consents and proves, how it is verified.

Import what you need from the modules; nothing heavy is loaded here.
"""
