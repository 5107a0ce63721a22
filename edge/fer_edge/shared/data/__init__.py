"""Pictures and labelled data, read."""
