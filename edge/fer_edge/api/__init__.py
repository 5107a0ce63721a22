"""What Python programs use: `import fer_edge` offers all of it, and loads it when it is used."""

import logging

from fer_edge.api.reading import Reader, read, read_all
from fer_edge.api.seen import Picture, View
from fer_edge.api.watching import Watch, watch
from fer_edge.stages.baseline import Baseline

__all__ = ["Baseline", "Picture", "Reader", "View", "Watch", "read", "read_all", "watch"]

# A library prints nothing of itself: whoever wants its log sets up logging.
logging.getLogger("fer_edge").addHandler(logging.NullHandler())
