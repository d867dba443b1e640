"""The services as the portal asks them, each by its public API alone.

`calls.py` one request and what can become of it · one module a service, of registration two: `registration.py`
`site_information.py` `healthcloud.py` `health.py` `gatekeeper.py` `reporting.py` · `services.py` all of them for one session.
"""
