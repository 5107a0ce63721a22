"""Models that serve only after they have passed on this device; `fer-edge model`."""
