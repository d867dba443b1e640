"""What is asked of registration, one question a file.

`contract_places` who supervises this contract · `declarations` what did this person declare · `entries` when did the gate last
admit this person here · `pre_registrations` who is expected on this contract · `presences` how many are on this site ·
`registrants` who handed in whose form · `review_items` what is to be looked at about whom · `review_settlements` who has looked ·
`roster_members` who stood on the old roster · `supply_counts` what did it hold ready, and when.
"""
