"""The pictures of a rescue: a part to tune on and a part to choose settings by."""

from dataclasses import dataclass

from fer_convert.conversion import Conversion
from fer_convert.source.partition import hold_out
from fer_convert.source.representative import RepresentativeSet, choose_representative
from fer_convert.source.run import TrainingRun
from fer_edge.shared.data.samples import Samples


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What every step works on. No held-out picture is among it.

    Attributes:
        run: The network.
        tuning: To calibrate and to train on.
        validation: To choose among settings; a seeded fifth of each class of the pool.
        count: Pictures to calibrate on, unless a step says otherwise.
        seed: Of every choice.
        range_percentile: Of the values that int8's ranges hold, in the conversion to be rescued.
        start: The clipping that the later steps begin with, in percent of values kept.
    """

    run: TrainingRun
    tuning: Samples
    validation: Samples
    count: int
    seed: int
    range_percentile: float
    start: float

    def calibration(self, count: int | None = None) -> RepresentativeSet:
        """Choose calibration pictures from the tuning part.

        Raises:
            DataError: There are too few.
        """
        return choose_representative(
            self.tuning, self.run.contract, count=count or self.count, seed=self.seed
        )


def split_pool(conversion: Conversion) -> Material:
    """Read a conversion's pool again and part it."""
    plan = conversion.plan
    pictures = conversion.run.read_pictures(plan.calibration_data, seed=plan.seed)
    tuning, validation = hold_out(pictures.pool, seed=plan.seed)
    return Material(
        conversion.run,
        tuning,
        validation,
        plan.calibration_count,
        plan.seed,
        plan.range_percentile,
        plan.range_percentile,
    )
