"""What `benchmarks/daemon.py` compares the daemon with: a source, the pipeline, and nothing else.

Prints after every thirty frames one JSON line: frames so far, CPU seconds of the process so far,
and CPU seconds of the pipeline alone.
"""

import json
import sys
import time

from fer_edge.assemble.parts import make_pipeline
from fer_edge.assemble.sources import frames_of, make_source
from fer_edge.commands.options import resolve_settings


def main() -> None:
    assignments = tuple(sys.argv[1:])
    settings = resolve_settings(None, assignments, {}).settings
    frames, inside = 0, 0.0
    with (
        make_pipeline(settings, frames=frames_of(settings.source)) as pipeline,
        make_source(settings.source) as source,
    ):
        while frame := source.read(5.0):
            began = time.thread_time()
            pipeline.process(frame)
            inside += time.thread_time() - began
            frames += 1
            if frames % 30 == 0:
                print(json.dumps([frames, time.process_time(), inside]), flush=True)


if __name__ == "__main__":
    main()
