"""Whatever a network looks like inside, it gets the pixels it was trained on, and once."""

from pathlib import Path

import numpy as np
import pytest
from toy_run import toy_pictures

from fer_convert.source.legacy import rescaling_of
from fer_edge.shared.errors import EXIT_CONFIG, ModelError

keras = pytest.importorskip("keras")
if keras.backend.backend() != "tensorflow":
    pytest.skip("networks are read with TensorFlow", allow_module_level=True)

from fer_convert.worker.flattening import flatten, is_network  # noqa: E402 - they load TensorFlow
from fer_convert.worker.pixels import find_readers, rescaling_for, scale  # noqa: E402
from fer_convert.worker.simulated import SimulatedNetwork  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

layers = keras.layers
SHAPE = (48, 48, 1)


def body(*, units=7):
    return [
        layers.Conv2D(4, 3, 2, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(units, activation="softmax"),
    ]


def plain():
    return keras.Sequential([keras.Input(SHAPE), *body()])


def nested():
    return keras.Sequential([keras.Input(SHAPE), keras.Sequential([keras.Sequential(body())])])


def two_branches():
    """Both begin in a nested network, and layers of both have the same names."""
    pixels = keras.Input(SHAPE)
    inner = [
        keras.Sequential([keras.Input(SHAPE), layers.Conv2D(3, side, 2, "same", name="same")])
        for side in (3, 5)
    ]
    x = layers.Add()([network(pixels) for network in inner])
    x = layers.Dense(7, activation="softmax")(layers.GlobalMaxPooling2D()(layers.ReLU()(x)))
    return keras.Model(pixels, x)


def shared():
    """A layer that is used twice, and a residual sum with the input itself."""
    pixels = keras.Input(SHAPE)
    twice = layers.Conv2D(1, 3, padding="same")
    x = layers.Add()([twice(twice(pixels)), pixels])
    return keras.Model(pixels, keras.Sequential(body())(x))


def norm_first():
    return keras.Sequential([keras.Input(SHAPE), layers.BatchNormalization(), *body()])


def permuted():
    return keras.Sequential([keras.Input(SHAPE), layers.Permute((2, 1, 3)), *body()])


def rescaled(*before, layer=None, at=None):
    """Layers before a layer that rescales, and the layers behind it."""
    layer = layer or layers.Rescaling(1 / 255)
    head = [*before, layer] if at is None else [keras.Sequential([*before, layer])]
    return keras.Sequential([keras.Input(SHAPE), *head, *body()])


def normalised(mean, variance):
    return layers.Normalization(mean=mean, variance=variance)


def preprocessed():
    pixels = keras.Input(SHAPE)
    return keras.Model(pixels, keras.Sequential(body())((pixels - 127.5) / 127.5))


def read(network, pixels=None):
    kept = flatten(network, SHAPE, keep_inert=True)
    return flatten(network, SHAPE, before=rescaling_for(kept, pixels, Path("a.h5")))


@pytest.fixture(scope="module")
def pictures():
    return toy_pictures(6, seed=5)["pictures"]


def answers(network, pictures, pixels=None):
    return np.asarray(network(scale(pictures, pixels), training=False))


@pytest.mark.parametrize("pixels", ["0..1", "-1..1", "0..255"])
@pytest.mark.parametrize("build", [plain, nested, two_branches, shared, norm_first, permuted])
def test_pixels_are_rescaled_for_whatever_reads_them(build, pixels, pictures):
    keras.utils.set_random_seed(1)
    network = build()
    wanted = answers(network, pictures, pixels)
    whole = read(network, pixels)
    assert answers(whole, pictures) == pytest.approx(wanted, abs=1e-5)
    assert not any(map(is_network, whole.layers))
    if pixels != "0..255":
        assert np.abs(answers(network, pictures) - wanted).max() > 1e-3


@pytest.mark.parametrize(
    "build",
    [
        lambda: rescaled(layers.RandomFlip(), layers.RandomRotation(0.1)),
        lambda: rescaled(layers.RandomFlip(), layers.Dropout(0.1), at="inside"),
        lambda: rescaled(layers.Resizing(32, 32), layers.GaussianNoise(0.1)),
        lambda: rescaled(layers.Reshape((48, 48, 1)), layers.Activation("linear")),
        lambda: rescaled(layer=layers.Rescaling(1 / 127.5, offset=-1)),
        lambda: rescaled(layer=normalised([130.0], [4000.0])),
        preprocessed,
    ],
)
def test_a_network_that_rescales_is_left_as_it_is(build, pictures):
    keras.utils.set_random_seed(2)
    network = build()
    assert answers(read(network), pictures) == pytest.approx(answers(network, pictures), abs=1e-5)
    with pytest.raises(
        ModelError, match=r"rescales pixels itself \(.*and --pixels 0\.\.1 is"
    ) as it:
        read(network, "0..1")
    assert it.value.exit_code == EXIT_CONFIG


def test_it_is_said_behind_what_the_rescaling_lies():
    network = rescaled(layers.RandomFlip(), layers.RandomZoom(0.1), at="inside")
    (reader,) = find_readers(flatten(network, SHAPE, keep_inert=True))
    assert str(reader).startswith("Rescaling 'rescaling")
    assert str(reader).endswith("' behind RandomFlip, RandomZoom")


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (plain, r"does not rescale pixels itself \(Conv2D 'conv2d.*' takes them as they come\)"),
        (norm_first, r"\(BatchNormalization 'batch_norm.*' takes them as they come\)"),
        (
            lambda: rescaled(layer=layers.Rescaling(2.0, offset=-1)),
            r"\(Rescaling 'rescaling.*', which spreads them over 510 takes",
        ),
        (lambda: rescaled(layer=normalised([0.5], [0.06])), r"Normalization .* over 1041"),
    ],
)
def test_what_it_takes_is_never_guessed(build, said):
    with pytest.raises(ModelError, match=said) as caught:
        read(build())
    assert "0..255, 0..1, -1..1" in str(caught.value)


def test_a_second_rescaling_of_smaller_pixels_is_no_contradiction(pictures):
    keras.utils.set_random_seed(3)
    network = rescaled(layer=layers.Rescaling(2.0, offset=-1))
    wanted = answers(network, pictures, "0..1")
    assert answers(read(network, "0..1"), pictures) == pytest.approx(wanted, abs=1e-5)


def test_branches_that_contradict_each_other():
    pixels = keras.Input(SHAPE)
    both = [layers.Rescaling(1 / 255)(pixels), layers.Conv2D(1, 1)(pixels)]
    network = keras.Model(pixels, keras.Sequential(body())(layers.Add()(both)))
    for given in (None, "0..1"):
        with pytest.raises(ModelError, match=r"in one branch \(Rescaling .*in another \(Conv2D"):
            read(network, given)
    assert read(network, "0..255") is not None


def test_arithmetic_outside_of_layers_is_not_simulated_but_refused_by_name(pictures):
    with pytest.raises(ModelError, match=r"TrueDivide \('true_div.*'\) cannot be simulated"):
        SimulatedNetwork(read(preprocessed()), pictures)


def test_mean_and_deviation_are_those_of_grey_levels(pictures):
    keras.utils.set_random_seed(1)
    network = plain()
    raw = pictures[..., np.newaxis].astype(np.float32)
    wanted = np.asarray(network((raw - 129.3) / 65.0, training=False))
    assert answers(network, pictures, "129.3/65.0") == pytest.approx(wanted, abs=1e-5)
    assert answers(read(network, "129.3/65.0"), pictures) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        ("0.485/0.229", "multiply both by 255"),
        ("300/60", "a mean of 0 to 255"),
        ("nan/60", "not those of grey levels"),
        ("130/inf", "not those of grey levels"),
        ("130", r"--pixels 130; expected one of 0\.\.255"),
        ("1/2/3", r"--pixels 1/2/3; expected one of 0\.\.255"),
    ],
)
def test_other_pixels_are_refused(pixels, said):
    with pytest.raises(ModelError, match=said) as caught:
        rescaling_of(pixels)
    assert caught.value.exit_code == EXIT_CONFIG
