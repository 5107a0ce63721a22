"""What the command lines share: errors to exit codes, logging, tables."""
