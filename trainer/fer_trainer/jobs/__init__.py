"""What each command of `fer-train` does."""
