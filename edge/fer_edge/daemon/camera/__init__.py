"""A camera that is kept delivering for months."""
