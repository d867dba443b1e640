"""Judges arrivals and readings, and keeps what people decided about people. Read in this order:

`policy_sets/` the values of the rules, as dated data · `domain/` what is decided: `policy_set.py`, `commands.py`, `state.py`,
`arrivals.py`, `corrections.py`, `readings.py`, `dispositions.py`, `decider.py` · `policies.py` pre-registrations that have
to be judged · `history.py` facts of a person, as stored ·
`read_models/` who is known where · `command_api.py` and `query_api.py` HTTP · `wiring.py` what hangs together.
"""
