"""What is asked of gatekeeper, one question a file: `attempts` who asked at this gate · `roster` who was or is on this site ·
`banned_on_site` who has to leave · `contract_places` who supervises this contract · `adopted_policies` by what reasons are weighed.
"""
