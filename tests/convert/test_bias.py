"""What rounding shifts on average, the biases take back."""

import numpy as np
import pytest
from toy_run import toy_pictures

from fer_convert.conversion import Conversion

keras = pytest.importorskip("keras")
if keras.backend.backend() != "tensorflow":
    pytest.skip("rounding is simulated with TensorFlow", allow_module_level=True)

from fer_convert.worker.bias import correct_biases  # noqa: E402 - they load TensorFlow
from fer_convert.worker.clipping import clipped_ranges  # noqa: E402
from fer_convert.worker.simulated import SimulatedNetwork  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def pictures():
    return toy_pictures(300, seed=3)["pictures"]


def simulated(pictures) -> SimulatedNetwork:
    """Channels with one large weight, beside which all others are rounded coarsely."""
    layers = keras.layers
    keras.utils.set_random_seed(2)
    pixels = keras.Input((48, 48, 1))
    x = layers.Rescaling(1 / 255)(pixels)
    for filters in (8, 12):
        x = layers.ReLU()(layers.Conv2D(filters, 3, 2)(x))
    x = layers.Dense(7, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    network = keras.Model(pixels, x)
    second = network.layers[4]
    kernel, bias = second.get_weights()
    kernel[0, 0, 0] = 6.0
    second.set_weights([kernel, bias])
    made = SimulatedNetwork(network, pictures)
    made.set_ranges(clipped_ranges(made, pictures, percentile=99.999))
    return made


def means(network: SimulatedNetwork, pictures, *, rounded: bool):
    network.activate(rounded)
    probe = keras.Model(network.model.inputs[0], [layer.output for layer in network.linear])
    outputs = probe(pictures[..., None].astype(np.float32), training=False)
    return [np.asarray(o).reshape(-1, o.shape[-1]).mean(axis=0) for o in outputs]


def test_the_mean_of_every_channel_is_floats_again(pictures) -> None:
    network = simulated(pictures)
    wanted = means(network, pictures, rounded=False)
    before = means(network, pictures, rounded=True)
    told = correct_biases(network, pictures)
    after = means(network, pictures, rounded=True)
    errors = [
        [float(np.abs(mean - right).max()) for mean, right in zip(found, wanted, strict=True)]
        for found in (before, after)
    ]
    # Not to nothing: it looks at some of the pictures only.
    assert max(errors[1]) < max(errors[0]) / 5, errors
    assert told["largest_correction"] > 0
    assert told["largest_correction_at"] in {layer.name for layer in network.linear}


def test_a_conversion_tells_of_it(converted: Conversion) -> None:
    told = converted.to_json()["int8_ranges"]
    assert 0 < told["largest_correction"] < 1
    assert told["largest_correction_at"]
