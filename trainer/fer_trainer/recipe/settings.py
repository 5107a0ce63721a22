"""A recipe: everything that decides what a training run does, as frozen dataclasses.

The defaults are the neutral choice: no augmentation, constant learning rate, no averaging. What a
shipped recipe does is in its TOML file and nowhere else.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from fer_edge.shared.labels import label_set
from fer_edge.shared.model.contract import InputSpec
from fer_edge.shared.typed_tables import setting
from fer_trainer.network.language import Layer, parse_layers
from fer_trainer.recipe.promise import CardSettings, InputSettings, LabelSettings


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """The network, a layer a line; see `fer_trainer.network.language`.

    Attributes:
        layers: One text for each layer, in the language that `fer-train describe --help` shows.
    """

    layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataSettings:
    """How the data is labelled and split.

    Attributes:
        validation_fraction: Share of train that is set aside where the data has no validation
            folder.
        seed: Decides the split, and which pictures are kept for calibration.
        public_test: What the PublicTest rows of fer2013.csv are: the contest chose by them and
            judged by PrivateTest, so they are "val"; "test" puts both into test.
        votes: A CSV file of FER+ votes, the soft labels to train towards; "" for none. The
            recipe's labels must be "ferplus".
        doubts: A CSV file of FER+ votes, by which pictures are left out of train alone: those whose
            own label none of the people chose, and those that most took for no face, or for
            nothing they could name; "" for none.
        subset: Pictures with other labels than the recipe's may be left out. They always are
            where it has two labels; else they are an error.
        unlabelled: A folder or ZIP of further faces whose expressions nobody has named: teachers
            do; "" for none. See `[unlabelled]`.
    """

    validation_fraction: float = setting(0.1, above=0, below=1)
    seed: int = setting(0, low=0)
    public_test: Literal["val", "test", "leave-out"] = "val"
    votes: str = ""
    doubts: str = ""
    subset: bool = False
    unlabelled: str = ""


@dataclass(frozen=True, slots=True)
class UnlabelledSettings:
    """How the faces of `data.unlabelled` are used.

    Attributes:
        share: Of each batch, one face at least and never all; an epoch is one pass over the
            labelled pictures all the same.
        only: Patterns, as of file names, of those that are used; empty: all.
        even: Patterns of those on which no expression can be read, for instance under a mask. They
            are to be read evenly as every label, whatever teachers say.
        middle: Share of each side, about the centre, that is used as the crop.
        note: Licence and attribution, for the contract.
    """

    share: float = setting(0.25, above=0, below=1)
    only: tuple[str, ...] = ()
    even: tuple[str, ...] = ()
    middle: float = setting(1.0, above=0, high=1)
    note: str = ""


@dataclass(frozen=True, slots=True)
class AugmentationSettings:
    """Random changes to the training pictures; each is drawn evenly from -x to +x.

    Attributes:
        flip: Half of the pictures are mirrored.
        rotation_degrees: Largest angle by which the picture is turned about its centre.
        scale: Fraction by which the picture grows or shrinks.
        zoom: Fraction by which each axis, by itself, grows or shrinks.
        shift: Fraction of the side by which the picture moves along each axis.
        shear_degrees: Angle by which the picture's verticals lean, as Keras' `shear_range`.
        crop: Largest fraction of each side that is cut off, at a random place; what is left
            fills the picture again.
        contrast: Fraction by which differences from the mean grow or shrink.
        brightness: Fraction of the full range that is added.
        dim_probability: Share of pictures from which light is taken, as in a dark room.
        dim: Largest fraction of the light that is taken.
        blur_probability: Share of pictures that are blurred, as out of focus or of few pixels.
        blur_sigma: Width of the blur, in pixels, of which up to all is mixed in.
        noise_probability: Share of pictures that get a sensor's noise, which light that was taken
            does not lessen.
        noise_sigma: Largest standard deviation of it, in grey levels of 255.
        erase_probability: Share of pictures in which a rectangle is covered with an even grey.
        erase_area: Largest share of the picture that is covered.
        faceless_probability: Share of pictures that are spoilt until they show no face, and are to
            be read evenly as every label. So a network learns not to be sure of what is no face. A
            quarter of these have their sixteen tiles shuffled, a quarter are a small part,
            enlarged, a quarter are turned by 90, 180 or 270 degrees. In the place of the others
            come textures: noise of several grains.
        mixup: Both parameters of the beta distribution that says how much of another picture,
            and of its label, is mixed in; 0 mixes nothing.
        cutmix_probability: That a rectangle comes from another picture. Of its label comes the
            share that the rectangle has of the area (Yun et al., CutMix, 2019).
    """

    flip: bool = False
    rotation_degrees: float = setting(0.0, low=0, high=180)
    scale: float = setting(0.0, low=0, below=1)
    zoom: float = setting(0.0, low=0, below=1)
    shift: float = setting(0.0, low=0, below=1)
    shear_degrees: float = setting(0.0, low=0, below=90)
    crop: float = setting(0.0, low=0, below=1)
    contrast: float = setting(0.0, low=0, high=1)
    brightness: float = setting(0.0, low=0, high=1)
    dim_probability: float = setting(0.0, low=0, high=1)
    dim: float = setting(0.8, above=0, below=1)
    blur_probability: float = setting(0.0, low=0, high=1)
    blur_sigma: float = setting(2.0, above=0, high=4)
    noise_probability: float = setting(0.0, low=0, high=1)
    noise_sigma: float = setting(20.0, above=0, high=100)
    erase_probability: float = setting(0.0, low=0, high=1)
    erase_area: float = setting(0.2, above=0, below=1)
    faceless_probability: float = setting(0.0, low=0, high=0.5)
    mixup: float = setting(0.0, low=0, high=10)
    cutmix_probability: float = setting(0.0, low=0, high=1)


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How long, how much at once, and towards what.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Pictures in one step.
        seed: Decides the first weights, the order of the pictures and their changes.
        label_smoothing: Probability spread evenly over all labels.
        precision: Precision of the arithmetic; "auto" measures what is faster where the run
            begins. What is delivered is float32.
        logit_adjustment: How far the labels' shares of the training part are taken out of what
            the network answers, in training alone. Times the logarithm of its share is added to
            each label's logit, so rare labels must be surer. 1 makes up for them, 0 leaves
            them (Menon et al., Long-Tail Learning via Logit Adjustment, 2021).
        init_from: A finished run, or a model file made of one, whose weights this one begins
            with, below its heads, and in the heads where their labels are the same; "" for none.
        init_beside: Further model files. The layers of all stand side by side in a network as wide
            as all together, which begins by answering as each does, and learns what leads from
            one to another.
    """

    epochs: int = setting(10, low=1)
    batch_size: int = setting(64, low=2)
    seed: int = setting(0, low=0)
    label_smoothing: float = setting(0.0, low=0, below=1)
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    logit_adjustment: float = setting(0.0, low=0, high=2)
    init_from: str = ""
    init_beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """The optimiser.

    Attributes:
        name: "sgd" is with Nesterov's momentum.
        learning_rate: The highest of the schedule.
        momentum: Momentum of "sgd".
        weight_decay: Decoupled decay of kernels, neither of biases nor of batch norm.
    """

    name: Literal["sgd", "adam"] = "adam"
    learning_rate: float = setting(0.001, above=0)
    momentum: float = setting(0.9, low=0, below=1)
    weight_decay: float = setting(0.0, low=0)


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """How the learning rate moves.

    Attributes:
        kind: "constant"; "one-cycle": up and down again along cosines; "steps": as the next two
            say.
        warm_up: Of "one-cycle": fraction of all steps spent going up.
        after_epochs: Of "steps": the numbers of epochs after which the rate changes, ascending.
        rates: Of "steps": the rate from there on, one for each of `after_epochs`.
    """

    kind: Literal["constant", "one-cycle", "steps"] = "constant"
    warm_up: float = setting(0.2, low=0, below=1)
    after_epochs: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class AveragingSettings:
    """An exponential average of the weights, which is what the run delivers.

    Attributes:
        momentum: Share of the old average kept at each step; less where the whole run has few
            steps. 0 switches averaging off.
    """

    momentum: float = setting(0.0, low=0, below=1)

    def effective(self, steps: int) -> float:
        """Return the momentum for a run of so many steps.

        On little data the average must not reach back to the first steps: a run is at least
        twenty times as long as its window.
        """
        return min(self.momentum, max(0.0, 1 - 20 / steps))


@dataclass(frozen=True, slots=True)
class DistillationSettings:
    """Finished runs that teach: what they say of a picture takes a share of its label's place.

    Attributes:
        teachers: Run folders; of several the mean counts. Same labels, same input size, and
            trained on none of the pictures that this run sets aside.
        answers: Instead of them, a folder of their answers that `fer-train teach` has stored; the
            network then sees the very views that they saw.
        weight: Share of the target that is the teachers'.
        temperature: Above 1 makes their answers less sure.
    """

    teachers: tuple[str, ...] = ()
    answers: str = ""
    weight: float = setting(0.5, above=0, high=1)
    temperature: float = setting(1.0, above=0, high=20)


@dataclass(frozen=True, slots=True)
class SelectionSettings:
    """When training ends early, and which epoch's weights the run delivers.

    Attributes:
        monitor: What is watched: smaller losses and larger accuracies are better.
        patience: Epochs without a better value after which training ends; 0: never.
        deliver: The weights of the last epoch, or of the best.
    """

    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    patience: int = setting(0, low=0)
    deliver: Literal["last", "best"] = "last"


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """Further files of a run, under the names that a documented system promises; "" for none.

    Attributes:
        words: What the labels are called in predictions and pictures, in their order; of a
            binary network, what is said below the threshold and from it on. Empty: the labels.
        best_weights: The weights of the best epoch, in HDF5 (.h5).
        last_model: The network after the last epoch, in HDF5 (.h5).
        epoch_weights: Weights after every epoch, in `checkpoints/` (.h5); {epoch}, {loss},
            {accuracy}, {val_loss} and {val_accuracy} are filled in.
        loss_curve: Loss in training and validation by epoch (.png).
        accuracy_curve: Accuracy in training and validation by epoch (.png).
        confusion_matrix: Confusion on the test part, or on validation where there is none (.png).
        sample_predictions: Pictures of the same part with what is said of them (.png).
    """

    words: tuple[str, ...] = ()
    best_weights: str = ""
    last_model: str = ""
    epoch_weights: str = ""
    loss_curve: str = ""
    accuracy_curve: str = ""
    confusion_matrix: str = ""
    sample_predictions: str = ""


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """One of several answers of a network, each in labels of its own; the layers below are shared.

    Attributes:
        name: Of the head's folder in the run.
        labels: Name of a label set.
        votes: A CSV file of FER+ votes, the soft labels to train towards; where it is "" and the
            labels are "ferplus", `data.votes` counts.
        weight: Of this head's loss in the sum.
        blend: Name of another head whose answer is mixed into this one's when all is trained, for
            the labels that both know; validation decides how much. "" for none.
    """

    name: str
    labels: str
    votes: str = ""
    weight: float = setting(1.0, above=0, high=100)
    blend: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All settings of a training run.

    Attributes:
        name: Short name, which the model gets, too; of several heads, the first one's.
        labels: What the network is to tell apart; a text or a list here is short for
            `labels.names`.
        source: Where the recipe comes from.
        heads: Several answers of one network; the first one's labels are the recipe's, and its
            pictures are those that are split. Empty: one answer, in the recipe's labels.
    """

    name: str
    labels: LabelSettings
    source: str = ""
    card: CardSettings = field(default_factory=CardSettings)
    input: InputSettings = field(default_factory=InputSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    data: DataSettings = field(default_factory=DataSettings)
    unlabelled: UnlabelledSettings = field(default_factory=UnlabelledSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    averaging: AveragingSettings = field(default_factory=AveragingSettings)
    distillation: DistillationSettings = field(default_factory=DistillationSettings)
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    outputs: OutputSettings = field(default_factory=OutputSettings)
    heads: tuple[HeadSettings, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels in the order of the network's outputs."""
        return self.labels.all

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The network's lines, read."""
        return parse_layers(self.network.layers)

    @property
    def input_spec(self) -> InputSpec:
        """The input as the contract describes it: raw pixels as float32."""
        return InputSpec(channels=3 if self.input.colour == "rgb" else 1, **asdict(self.input))

    @property
    def words(self) -> tuple[str, ...]:
        """What the labels are called for people, in their order."""
        return self.outputs.words or tuple(label.capitalize() for label in self.label_names)

    def binary_threshold(self) -> float | None:
        """Return the probability from which a binary network says its second label."""
        return 0.5 if self.layers[-1].kind == "sigmoid" else None

    @property
    def answers(self) -> int | dict[str, int]:
        """Number of labels; of a network with heads, by head, in the order of its outputs."""
        if not self.heads:
            return len(self.label_names)
        return {head.name: len(label_set(head.labels).labels) for head in self.heads}

    def of_head(self, head: HeadSettings) -> "Recipe":
        """Return what one head is by itself: a recipe of one answer.

        The first one, whose labels are the recipe's, keeps its name; the others append theirs.
        """
        votes = head.votes or (self.data.votes if head.labels == "ferplus" else "")
        return replace(
            self,
            name=self.name if head == self.heads[0] else f"{self.name}-{head.name}",
            labels=LabelSettings(head.labels),
            data=replace(self.data, votes=votes),
            heads=(),
        )
