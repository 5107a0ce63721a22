"""Finding faces in one picture: two techniques, and which of them this machine can use."""
