"""Whether what a conversion changed is chance, and whether it may be delivered."""
