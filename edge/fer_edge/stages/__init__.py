"""What happens to a frame, one technique a file."""
