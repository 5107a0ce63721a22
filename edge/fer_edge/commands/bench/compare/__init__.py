"""Whether one report is slower than another, with an interval."""
