"""What is asked of registration, one question a file.

`declarations` what did this person declare · `entries` when did the gate last admit this person here · `pre_registrations` who is
expected on this contract · `presences` how many are on this site · `supply_counts` what did it hold ready, and when.
"""
