"""Answers supervision. It has no log: every row here follows from facts of registration and gatekeeper. Read in this order:

`read_models/contracts.py` and `read_models/people.py` facts → rows · `supervision.py` rows → the manual's table ·
`query_api.py` HTTP · `wiring.py` what hangs together.
"""
