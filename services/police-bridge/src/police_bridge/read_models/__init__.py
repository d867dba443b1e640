"""What is asked of police-bridge: `arrivals` (which facts are a district's, and what comes next of them?), `erasures` (whose
plain words must leave the topics?).
"""
