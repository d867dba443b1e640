"""What health decides. Pure: no clock, no I/O, no framework; the policy set comes as a value."""
