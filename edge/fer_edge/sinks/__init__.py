"""Where observations go, one technique a file."""
