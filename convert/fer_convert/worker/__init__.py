"""Everything that needs TensorFlow, in a process of its own.

TensorFlow's converter does not always raise: an LSTM makes it crash with a segmentation fault. It
also prints to the standard output, and keeps whatever Keras backend was loaded first. So the
network is loaded and translated here, by `python -m fer_convert.worker FOLDER`, and
`fer_convert.translation` starts that process, hands it a folder and reads the folder afterwards.
"""
