"""Latency, FPS, memory and energy of the runtime on this device, with figures to be believed."""
