"""A model as C++ source for TensorFlow Lite Micro."""
