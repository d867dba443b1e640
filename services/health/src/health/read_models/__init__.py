"""What health has to look up that is not in a person's own stream."""
