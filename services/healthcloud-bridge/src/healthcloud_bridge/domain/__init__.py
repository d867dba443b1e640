"""Which declarations are new. Pure: no clock, no I/O, no framework."""
