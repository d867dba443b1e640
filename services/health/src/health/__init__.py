"""Judges arrivals and readings, and keeps what people decided about people. Read in this order:

`domain/` what is decided: `policy_set.py`, `adoption.py`, `commands.py`, `state.py`, `arrivals.py`, `corrections.py`,
`readings.py`, `dispositions.py`, `decider.py` · `adopted_policies.py` by what this process judges · `policies.py`
pre-registrations that have to be judged · `read_models/` who is known where ·
`acting.py` one command about one person · `many_people.py` one request, many commands · `disposition_batches.py` what waits for a
second person · `command_api.py`, `ban_api.py`, `round_api.py`, `batch_api.py`, `query_api.py`, `lists_api.py` and `policy_api.py`
HTTP · `wiring.py` what hangs together.
"""
