"""The file that is delivered: flatbuffer, metadata, golden vectors, and how it is put on disk."""
