"""`fer-edge run`: the loop that keeps a camera, a pipeline and the outlets together for months."""
