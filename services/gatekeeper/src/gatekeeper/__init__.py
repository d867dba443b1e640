"""Decides who may enter a site. Read in this order:

`domain/` what is decided · `policies.py` facts of others that matter at the door · `freshness.py` how recent the view is ·
`gate.py` one attempt from question to answer · `read_models/` who asked, who is on site, by which policies · `command_api.py` and
`query_api.py` HTTP · `wiring.py` what hangs together.
"""
