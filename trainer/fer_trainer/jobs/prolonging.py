"""Go on for another number of epochs than a run was begun with, where its schedule allows it."""

from __future__ import annotations

from fer_edge.shared.errors import SettingsError
from fer_trainer.recipe.settings import Recipe


def check_prolongable(before: Recipe, now: Recipe, *, done: int, pictures: int) -> None:
    """Refuse another number of epochs where the epochs done would have been others with it.

    With a constant rate, or one that changes after certain epochs, they would not. A one-cycle
    schedule spreads its rates over all epochs, and the average of a short run reaches less far
    back, so these runs end where they were to end; `fit --finish` ends them sooner.

    Args:
        before: The recipe as the run was begun with it.
        now: The same with other epochs.
        done: Epochs done.
        pictures: In the training part.

    Raises:
        SettingsError: They would, or fewer epochs are asked for than are done.
    """
    asked, planned = now.training.epochs, before.training.epochs
    if asked == planned:
        return
    if now.schedule.kind == "one-cycle":
        raise SettingsError(
            f"--epochs {asked} for a run of {planned} with schedule.kind one-cycle",
            expected="a schedule that is constant or in steps: one-cycle spans the whole run",
            fix="end it now with --finish, or begin another run with --init-from this one",
        )
    steps = max(1, pictures // now.training.batch_size)
    short = now.averaging.effective(min(asked, planned) * steps)
    if short != now.averaging.effective(max(asked, planned) * steps):
        raise SettingsError(
            f"--epochs {asked} for a run of {planned}, so short that its average of the weights "
            "reaches less far back",
            expected="runs of more steps, or none that averages",
            fix="begin another run with --init-from this one",
        )
    if asked < done:
        raise SettingsError(
            f"--epochs {asked}, and {done} are done",
            expected=f"at least {done}",
            fix="end the run as it stands with --finish",
        )
