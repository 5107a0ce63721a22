"""Where frames come from, one technique a file."""
