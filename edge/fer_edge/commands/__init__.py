"""What each command of `fer-edge` does, one place a command."""
