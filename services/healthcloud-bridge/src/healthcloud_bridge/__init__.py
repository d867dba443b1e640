"""Fetches what people declared in Health Cloud (健康云) and says it in Gatehouse's words. Read in this order:

`client.py` their API · `translation.py` and `regions.py` their words ↔ ours · `domain/` which declarations are new ·
`receiving.py` from their answer to a fact · `quota.py` how much an account may ask · `command_api.py` HTTP ·
`read_models/awaited.py` whose declaration is waited for · `poller.py` asks again until they have declared ·
`wiring.py` what hangs together.
"""
