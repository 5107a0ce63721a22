"""A benchmark as text and as a page."""
