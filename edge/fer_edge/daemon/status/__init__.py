"""`fer-edge status`: asks running daemons how they do."""
