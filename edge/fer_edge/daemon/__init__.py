"""`fer-edge run`: the loop that keeps a camera, a pipeline and the sinks together for months."""
