"""Answers supervision. It has no log: every row here follows from facts of registration, gatekeeper and health. Read in this order:

`read_models/` facts → rows · `supervision/` rows → the manual's tables, and who may be shown · `query_api.py` and `command_api.py`
HTTP · `wiring.py` what hangs together.
"""
