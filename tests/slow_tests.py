"""Which tests are slow: `make check` leaves them out, by the marker `slow`.

slow_tests.txt names them, one function a line, as measured by `make slow`. A test that is not
named there is run, so a new one is until it has been measured.

A test is charged with the fixtures it shares with others, too: without the first of them, the next
would have to make them.
"""

import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("slow_tests.txt")
MOST_SECONDS = 1.0
HEAD = f"""\
# What `make check` leaves out: tests that need over {MOST_SECONDS:g} s where nothing else runs.
# `make slow` measures all anew, pytest FILE --measure-slow those of a file.
"""
_COST = "slow_tests.seconds"


def named() -> set[str]:
    """Return the test functions in the list, as `folder/file.py::[Class::]function`."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def function_of(node: str) -> str:
    """Return a test's function, without its parameters, as the list names it.

    Args:
        node: As pytest names it, such as `tests/edge/test_mqtt.py::test_a[1]`; pytest-xdist adds
            `@` and the group of those that stay together.
    """
    return node.partition("[")[0].partition("@")[0].removeprefix("tests/")


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark the tests in the list."""
    slow = named()
    for item in items:
        if function_of(item.nodeid) in slow:
            item.add_marker(pytest.mark.slow)


class Meter:
    """Measures what each test needs; in every process that runs tests."""

    def __init__(self) -> None:
        self._shared: dict[tuple[str, str], float] = {}
        self._making = 0.0
        """Seconds that the present test has spent on making what it shares."""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: "pytest.FixtureDef[object]") -> object:
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            taken = time.perf_counter() - began
            if fixturedef.scope != "function":
                self._making += taken
                key = (fixturedef.baseid, fixturedef.argname)
                self._shared[key] = max(taken, self._shared.get(key, 0.0))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> object:
        self._making = 0.0
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: "pytest.CallInfo[None]") -> object:
        report = yield
        own = call.duration - self._making
        self._making = 0.0
        names = set(getattr(item, "fixturenames", ()))
        shared = (
            seconds
            for (base, name), seconds in self._shared.items()
            if name in names and item.nodeid.startswith(base)
        )
        report.user_properties.append((_COST, max([own, *shared])))
        return report


class Writer:
    """Writes the list anew for the test files that this run has measured."""

    def __init__(self) -> None:
        self._seconds: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        function = function_of(report.nodeid)
        file = self._seconds[function.partition("::")[0]]
        for name, seconds in report.user_properties:
            if name == _COST:
                file[function] = max(file[function], float(seconds))

    def pytest_sessionfinish(self) -> None:
        kept = {name for name in named() if name.partition("::")[0] not in self._seconds}
        slow = {
            function
            for file in self._seconds.values()
            for function, seconds in file.items()
            if seconds > MOST_SECONDS
        }
        LIST.write_text(HEAD + "".join(f"{name}\n" for name in sorted(kept | slow)), "utf-8")
