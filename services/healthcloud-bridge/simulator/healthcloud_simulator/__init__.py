"""A stand-in for Health Cloud (健康云), which is somebody else's system. It shares no code with Gatehouse.

`store.py` what people declared · `faults.py` how it misbehaves when told to · `app.py` its HTTP API, in its own words ·
`__main__.py` the process.
"""
