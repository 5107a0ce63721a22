"""Networks: the language recipes write them in, the builder, and what they cost."""
