"""How much larger than a Haar box the crops of FER2013 are: the margin to cut with on a device.

FER2013's pictures are face crops already. Each of a seeded sample of training pictures is enlarged
fourfold, framed, and searched with a narrow step; the ratio of the picture's side to the box found
in it is what a box must be grown by to look like the training pictures. No test picture is read.
"""

import random

import numpy as np
from real_data import parse_arguments, report, require_data

from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.data.pictures import decode_grey
from fer_edge.shared.faces.haar import CASCADES, HaarDetector
from fer_edge.shared.opencv import cv2
from fer_edge.shared.terminal.tables import format_table

SAMPLE = 1500
SIDE = 192
FRAME = 48


def main() -> None:
    arguments = parse_arguments(__doc__ or "")
    with LabelledPictures(require_data(arguments.data / "fer2013.zip")) as data:
        chosen = random.Random(0).sample(data.of("train"), SAMPLE)
        pictures = [decode_grey(data.read(picture), where=picture.name) for picture in chosen]
    rows = []
    result = {}
    for cascade in CASCADES:
        detector = HaarDetector(cascade=cascade, confirm="", scale_factor=1.05, min_face_px=90)
        margins = []
        for picture in pictures:
            large = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            framed = cv2.copyMakeBorder(large, FRAME, FRAME, FRAME, FRAME, cv2.BORDER_REPLICATE)
            faces = detector.detect(framed)
            if faces:
                largest = max(face.box.width for face in faces)
                margins.append((SIDE / largest - 1) / 2)
        low, middle, high = np.percentile(margins, [25, 50, 75])
        result[cascade] = {"found": len(margins), "p25": low, "p50": middle, "p75": high}
        rows.append([cascade, f"{len(margins)} of {SAMPLE}", f"{low:+.3f}", f"{middle:+.3f}",
                     f"{high:+.3f}"])  # fmt: skip
    report(arguments, result, format_table(["cascade", "found in", "p25", "median", "p75"], rows))


if __name__ == "__main__":
    main()
