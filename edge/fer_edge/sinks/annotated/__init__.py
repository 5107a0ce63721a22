"""Frames with what was read drawn in: as a video, as Motion JPEG, or as single pictures."""
