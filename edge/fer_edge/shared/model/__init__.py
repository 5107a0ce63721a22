"""The model file: its contract, its reader, and the device's own inference."""
