"""The ledger over HTTP: :mod:`zkcredit.service.app` serves it, :mod:`zkcredit.remote` uses it.

One process owns a ledger folder and answers for it. Submissions of all clients are
verified together outside the event loop (:mod:`zkcredit.service.pipeline`), the log is
published as static files in the background (:mod:`zkcredit.service.publisher`), and all
that readers need is in those files.
"""
