"""Events kept on disk until they are delivered."""
