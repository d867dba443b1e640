"""The services as the portal asks them, each by its public API alone.

`calls.py` one request and what can become of it · one module a service, of registration several: `registration.py`
`site_information.py` `review_items.py` `imports.py` · `healthcloud.py` `health.py` `ban_reviews.py` `gatekeeper.py` `reporting.py`
`operations.py` all at once, of how they run · `services.py` all of them for one session.
"""
