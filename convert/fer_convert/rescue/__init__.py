"""What to try, and in which order, where plain int8 does not meet the gate."""
