"""What was said and by whom, and how it becomes a batch."""
