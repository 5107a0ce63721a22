"""From frame to observation: the protocols, the stages in their order, and the loop."""
