"""Where users come in. Read in this order:

`accounts.py` who may have a token · `token_api.py` tokens and keys over HTTP · `pages/` what people see · `wiring.py`.
"""
