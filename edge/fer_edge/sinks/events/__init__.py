"""What is worth telling of faces, derived from observations."""
