"""What a model asks of its target: arithmetic, memory, and instructions counted in emulation."""
