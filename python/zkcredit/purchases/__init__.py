"""Purchases proved to a third party: amounts, their sum, or only "on average less than X".

A verifier asks (:mod:`~zkcredit.purchases.messages`), a holder proves
(:mod:`~zkcredit.purchases.prove`), the verifier checks against the ledger
(:mod:`~zkcredit.purchases.verify`). What is proved is in
:mod:`~zkcredit.purchases.relation`; nothing heavy is loaded here.
"""
