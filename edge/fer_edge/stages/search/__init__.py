"""Where in a frame, when, and at what cost faces are searched for."""
