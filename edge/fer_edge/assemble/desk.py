"""From settings to what the page asks beside the live view."""

from fer_edge.assemble.baselines import why_no_calibration
from fer_edge.assemble.device import Device, ShippedModels, seeing_settings
from fer_edge.assemble.run_facts import RunFacts
from fer_edge.models import open_model
from fer_edge.settings import Settings
from fer_edge.settings.secrets import read_secret
from fer_edge.sinks.web.desk import About, Desk
from fer_edge.sinks.web.wishes import Possible
from fer_edge.state.controls import Controls


def make_desk(settings: Settings, controls: Controls, facts: RunFacts) -> Desk:
    """Make what answers photos, history, device and wishes.

    Args:
        settings: Of all parts.
        controls: What the page may ask of the daemon.
        facts: What the settings do not say of the run.

    Raises:
        FerError: Model or token cannot be read.
    """
    return Desk(settings, lambda new: _about(new, facts), controls)


def _about(settings: Settings, facts: RunFacts) -> About:
    contract = open_model(settings.model.path).contract
    device = Device(settings, facts.origins(), keeps_pictures=facts.keeps_pictures)
    return About(
        seeing=seeing_settings(settings),
        describe=device.describe,
        possible=Possible(
            ShippedModels(settings),
            why_none=why_no_wish(settings),
            why_no_calibration=why_no_calibration(settings, contract),
        ),
    )


def why_no_wish(settings: Settings) -> str:
    """Return why the page may ask nothing of the daemon; "" where it may.

    Everybody on this machine reaches loopback: what steers the daemon needs the token there, too.
    """
    if not settings.web.commands:
        return "web.commands is off"
    if not read_secret("web-token", file=settings.web.token_file):
        return "without a web-token nothing may be changed; web.token_file names a file with one"
    return ""
