"""Settings to concrete parts: the only place that maps names to classes."""
