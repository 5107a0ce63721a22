"""Public fakes: sources, detectors and cameras for tests without hardware."""
