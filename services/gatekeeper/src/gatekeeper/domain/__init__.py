"""Who may enter. Read in this order: `state` (what the gate knows of a person), `verdict` (the rules), `commands`, `decider`."""
