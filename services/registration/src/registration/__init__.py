"""Knows the contracts and who is expected on their sites. Read in this order:

`domain/` what is decided · `pre_registering.py` one form, from document to facts · `roster_import.py` a whole roster ·
`linking.py` one person, several documents · `linking_again.py` after a restore · `policies.py` a declaration appears ·
`read_models/` what is asked of it · `late_take_ups.py` a declaration that nobody waited for in time ·
`checklist_files.py` what is too large for a log ·
`command_api.py`, `documents_api.py`, `operators_api.py`, `erasing_api.py`, `site_api.py`, `checklist_api.py`,
`grounds_api.py` and `query_api.py` HTTP · `wired.py` and `wiring.py` what hangs together.
"""
