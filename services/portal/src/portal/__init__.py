"""Where users come in. Read in this order:

Programs: `accounts.py` who may have a token · `token_api.py` tokens and keys over HTTP · `throttle.py` who guesses.

People: `users.py` who may sign in · `login_codes.py` 验证码 · `message_gateway.py` how it reaches a mobile · `session.py` who sits
in front of a browser · `digests.py` by what all of them are found · `user_keys.py` how its key is changed · `visits.py` what is
around every page · `forms.py` what a browser sends · `upstream/` the services as pages ask them · `pages/` what people see ·
`templates/` `static/` `labels.py` `languages.py` `rendering.py` how · `wiring.py`.
"""
