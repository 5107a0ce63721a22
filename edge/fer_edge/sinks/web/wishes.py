"""What the page may ask of the daemon: the switch, another model, a calibration.

A wish that cannot be fulfilled is answered with the reason, and never taken silently.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from fer_edge.shared.errors import FerError
from fer_edge.shared.strict_json import parse_json
from fer_edge.sinks.switching import Switch
from fer_edge.sinks.web.messages import Handler, Request, Response, answer_json, problem
from fer_edge.sinks.web.router import Route
from fer_edge.state.controls import Controls

MOST_BODY_BYTES: Final = 1024
_SHORTEST_SECONDS: Final = 1
_LONGEST_SECONDS: Final = 60
_T = TypeVar("_T")


class ModelChoice(Protocol):
    """Which models may be chosen, and how one is."""

    def offered(self) -> Sequence[str]:
        """Return the names of the models that may be chosen now; empty where none may."""
        ...

    def why_none(self) -> str:
        """Return why none may be chosen; "" where some may."""
        ...

    def choose(self, name: str) -> str:
        """Try a model and let it serve from the next reload on; return what to say of it.

        Raises:
            FerError: It does not pass, or cannot be kept.
        """
        ...


@dataclass(frozen=True, slots=True)
class Possible:
    """What may be asked of the daemon now.

    Attributes:
        models: Which may be chosen.
        why_none: Why nothing may be asked at all; "" where it may.
        why_no_calibration: Why faces cannot be calibrated; "" where they can.
    """

    models: ModelChoice
    why_none: str = ""
    why_no_calibration: str = ""


class Wishes:
    """Takes wishes, in the listener's thread.

    Args:
        controls: What is asked of the daemon.
        possible: What may be.
        clock: Monotonic, in seconds.

    Attributes:
        possible: May be replaced, from any thread.
    """

    def __init__(
        self,
        controls: Controls,
        possible: Possible,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.possible = possible
        self._controls = controls
        self._switch = Switch(controls, clock=clock, by="the page")
        self._changing = False

    def turn(self) -> None:
        """Do what was put off; to be called every now and then."""
        self._switch.turn()

    def to_json(self) -> dict[str, Any]:
        """Return what may be asked, as the page shows it."""
        possible = self.possible
        if possible.why_none:
            return {"enabled": None, "models": [], "calibrate": False, "why": possible.why_none}
        reasons = (possible.models.why_none(), possible.why_no_calibration)
        return {
            "enabled": self._controls.enabled,
            "models": list(possible.models.offered()),
            "calibrate": not possible.why_no_calibration,
            "why": "; ".join(reason for reason in reasons if reason),
        }

    def routes(self) -> tuple[Route, ...]:
        """Return where wishes are taken."""
        ways = {"enabled": self._enable, "model": self._change, "calibrate": self._calibrate}
        return tuple(
            Route(
                "POST",
                f"/control/{wish}",
                partial(self._unless_forbidden, handle),
                MOST_BODY_BYTES,
                in_json=True,
            )
            for wish, handle in ways.items()
        )

    async def _unless_forbidden(self, handle: Handler, request: Request) -> Response:
        why = self.possible.why_none
        return _impossible(why) if why else await handle(request)

    async def _enable(self, request: Request) -> Response:
        wanted = _wish(request, "enabled")
        if not isinstance(wanted, bool):
            return _senseless('{"enabled": true} or {"enabled": false}')
        before = self._controls.enabled
        self._switch.want(wanted)
        word = "on" if wanted else "off"
        if before is wanted:
            return answer_json({"message": f"the camera is {word} already"})
        if self._controls.enabled is wanted:
            return answer_json({"message": f"the camera is switched {word}"})
        return answer_json(
            {
                "message": f"it was switched often of late: {word} in "
                f"{self._switch.patience():.0f} s, unless another wish comes"
            },
            status=202,
        )

    async def _change(self, request: Request) -> Response:
        name = _wish(request, "model")
        models = self.possible.models
        offered = models.offered()
        if not isinstance(name, str):
            return _senseless('{"model": "NAME"}')
        if not offered:
            return _impossible(models.why_none())
        if name not in offered:
            return problem(
                400,
                f"no model {name[:80]!r} is offered",
                expected=" or ".join(offered),
                fix="choose one of these",
            )
        if self._changing:
            return _impossible("another model is being tried", fix="wait for it to end")
        self._changing = True
        try:
            outcome = _in_thread(lambda: self._choose(models, name))
        except RuntimeError:  # there can be no further thread
            self._changing = False
            raise
        try:
            said = await outcome
        except FerError as error:
            return problem(409, error.found, expected=error.expected, fix=error.fix)
        return answer_json({"message": said}, status=202)

    def _choose(self, models: ModelChoice, name: str) -> str:
        """Change the model to the end, even where whoever wished it is gone by then."""
        try:
            said = models.choose(name)
            self._controls.reload()
        finally:
            self._changing = False
        return said

    async def _calibrate(self, request: Request) -> Response:
        seconds = _wish(request, "seconds")
        if (
            isinstance(seconds, bool)
            or not isinstance(seconds, int | float)
            or not _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS
        ):
            return _senseless(f'{{"seconds": 5}}, from {_SHORTEST_SECONDS} to {_LONGEST_SECONDS}')
        if self.possible.why_no_calibration:
            return _impossible(self.possible.why_no_calibration)
        if not self._controls.enabled:
            return _impossible("the camera is switched off", fix="switch it on first")
        if self._controls.calibration.phase == "running":
            return _impossible("a calibration goes on", fix="wait for it to end")
        self._controls.calibrate(float(seconds))
        return answer_json(
            {"message": f"look at the camera, face relaxed, for {seconds:g} s"}, status=202
        )


def _wish(request: Request, name: str) -> Any:
    """Return the one value of a wish; None where the body is no such wish."""
    try:
        told = parse_json(request.body)
    except ValueError:
        return None
    return told[name] if isinstance(told, dict) and set(told) == {name} else None


def _senseless(expected: str) -> Response:
    return problem(
        400, "the body makes no sense", expected=f"JSON such as {expected}", fix="correct it"
    )


def _impossible(why: str, *, fix: str = "") -> Response:
    return problem(409, why, expected="a daemon that can do this now", fix=fix)


def _in_thread(work: Callable[[], _T]) -> asyncio.Future[_T]:
    """Return what will be what a function returns that takes long, without keeping anybody waiting.

    In a thread that the program's end does not wait for, unlike an executor's.

    Raises:
        RuntimeError: There can be no further thread.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_T] = loop.create_future()

    def settle(act: Callable[[], None]) -> None:
        if not outcome.done():
            act()

    def tell(act: Callable[[], None]) -> None:
        try:
            loop.call_soon_threadsafe(settle, act)
        except RuntimeError:  # the listener was closed meanwhile
            return

    def run() -> None:
        try:
            found = work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
            tell(lambda error=error: outcome.set_exception(error))  # type: ignore[misc]
            return
        tell(lambda: outcome.set_result(found))

    threading.Thread(target=run, name="model-change", daemon=True).start()
    return outcome
