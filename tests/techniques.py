"""Both techniques of finding faces, for tests that must hold for each."""

import pytest

from fer_edge.shared.faces.weights import INSTALL, packaged_weights

NO_WEIGHTS = packaged_weights() is None
needs_weights = pytest.mark.skipif(NO_WEIGHTS, reason=f"no weights of YuNet: {INSTALL}")
EACH = ["haar", pytest.param("yunet", marks=needs_weights)]
"""Values of detector.kind."""
