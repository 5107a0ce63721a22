"""The training step and its loop, on any Keras backend."""
