"""What `fer-edge bench` measures, and how."""
