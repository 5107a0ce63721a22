"""What the running daemon knows of itself, and what is asked of it."""
