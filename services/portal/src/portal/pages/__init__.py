"""What people see: one file a topic."""
