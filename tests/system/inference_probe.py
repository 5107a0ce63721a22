"""Tells the shipped network's processor time for a face, as JSON: milliseconds, median."""

import json
import statistics
import sys
import time

import numpy as np

from fer_edge import DEFAULT_MODEL
from fer_edge.models import open_model
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.records import Box, Face

classifier = LitertClassifier(open_model(DEFAULT_MODEL))
picture = np.random.default_rng(0).integers(0, 256, (480, 640), np.uint8)
faces = [Face(Box(200, 100, 160, 160), 1.0)]
times = []
for _ in range(int(sys.argv[1])):
    began = time.thread_time()
    classifier.classify(picture, faces)
    times.append((time.thread_time() - began) * 1000)
print(json.dumps({"p50_ms": statistics.median(times[len(times) // 5 :])}))
