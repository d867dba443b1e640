"""What the police is told. Read in this order: `state` (what it was told already), `commands`, `decider`."""
