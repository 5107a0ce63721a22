"""`fer-edge calibrate`: how a participant looks at rest."""
