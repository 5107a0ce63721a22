"""What trainer and converter may import of the edge; they import nothing else of it."""
