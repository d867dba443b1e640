"""The manual's tables, each from several read models in one statement and so of one moment. Read in this order:

`filters.py` which contracts, for all of them · `contracts.py` 合同查询 with its header · `firms.py` and `people.py` what the
numbers count, and 用工查询 · `unmasking.py` sealed rows to what may be shown.
"""
