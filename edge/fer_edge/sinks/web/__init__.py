"""The listener: metrics and health over HTTP."""
