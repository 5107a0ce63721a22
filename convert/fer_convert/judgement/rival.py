"""Is a converted network worse than a model that there is already, on the same pictures?"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_convert.judgement.comparison import Answers, ask
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import ModelError
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.model_file import ModelFile, read_model
from fer_edge.shared.model.survival import survive
from fer_edge.shared.statistics import paired_test


def open_rival(path: Path, contract: ModelContract) -> ModelFile:
    """Read a model to compare with.

    Args:
        path: Of its file.
        contract: Of the network that is converted.

    Raises:
        ModelError: It is no model, the runtime does not survive it, it tells other labels apart,
            or it takes other pictures.
    """
    rival = read_model(path)
    own, other = contract, rival.contract
    if sorted(own.labels) != sorted(other.labels):
        raise ModelError(
            f"{path} knows {', '.join(other.labels)}",
            expected=f"the labels of {own.name}: {', '.join(own.labels)}",
            fix="name another model with --against, or leave it out",
        )
    if own.input.picture_shape != other.input.picture_shape:
        raise ModelError(
            f"{path} takes {other.input.colour} pictures of "
            f"{other.input.width}x{other.input.height}",
            expected=f"those of {own.name}: {own.input.colour} {own.input.width}x"
            f"{own.input.height}, as the pictures held out are",
            fix="compare the two on a data set: `fer-edge evaluate DATA --model FILE`",
        )
    survive(rival)
    return rival


def compare_with(
    rival: ModelFile,
    answers: Answers,
    samples: Samples,
    progress: Callable[[int], None] = lambda _done: None,
) -> dict[str, Any]:
    """Compare answers with those of another model, in pairs.

    Args:
        rival: As `open_rival` returned it.
        answers: Of the converted network.
        samples: The pictures held out.
        progress: Told the number of pictures done, now and then.

    Returns:
        Both accuracies, the paired test, and in `remark` what is to be said: that the network is
        worse, where the whole 95 % interval of the difference says so; else "".
    """
    theirs = ask(rival, samples, progress)
    truth = np.array(answers.labels)[samples.labels]
    right = np.array(answers.labels)[answers.chosen] == truth
    before = np.array(theirs.labels)[theirs.chosen] == truth
    test = paired_test(before, right)
    name = rival.contract.name
    remark = ""
    if test.interval.high < 0:
        remark = (
            f"WORSE THAN {name.upper()}: {right.mean():.2%} of {len(samples):,} pictures right, "
            f"and {name} has {before.mean():.2%} of the same pictures"
        )
    return {
        "name": name,
        "model_sha256": rival.sha256,
        "accuracy": round(float(before.mean()), 6),
        "paired": test.to_json(),
        "remark": remark,
    }


def say_rival(found: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield a line of what `compare_with` has found; nothing where nothing was compared."""
    if found is not None:
        same = f"not worse than {found['name']}, which has {found['accuracy']:.2%} right"
        yield found["remark"] or same
