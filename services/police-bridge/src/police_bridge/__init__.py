"""Tells the police of each district who arrives on its sites. Read in this order:

`domain/` what is told · `policies.py` facts of registration that the police learns of · `rendering.py` from a sealed fact to
a message in plain words · `publishing.py` messages → the districts' topics · `clearing.py` who was erased leaves the topics ·
`read_models/` which facts are a district's · `query_api.py` the same messages over HTTP ·
`receipts.py` and `command_api.py` what the police says back · `wired.py` and `wiring.py` what hangs together.
"""
