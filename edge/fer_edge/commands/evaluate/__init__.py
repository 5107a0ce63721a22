"""`fer-edge evaluate`: how often a model is right, and by which yardstick."""
