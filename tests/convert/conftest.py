"""Toy networks, converted once for all tests, as many at a time as there are processors."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from toy_run import a_binary_contract, a_contract, write_networks, write_run

from fer_convert.conversion import Conversion, Plan, convert
from fer_convert.source.run import open_run
from fer_convert.targets import Target
from fer_edge.shared.errors import FerError
from fer_edge.shared.model.contract import InputSpec

Outcome = Conversion | FerError


def pytest_configure(config):
    config.addinivalue_line("markers", "xdist_group(name): tests that share one process")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep what shares the converted networks in one process (with --dist loadgroup)."""
    for item in items:
        if "networks" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("converted-networks"))


@pytest.fixture(scope="session")
def networks(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    write_networks(folder)
    return folder


@pytest.fixture(scope="session")
def runs(networks, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    contracts = {network.stem: a_contract() for network in networks.glob("*.keras")}
    contracts["binary"] = a_binary_contract()
    runs = {
        name: write_run(folder / name, networks / f"{name}.keras", contract)
        for name, contract in contracts.items()
    }
    small = a_contract(input=InputSpec(height=32, width=32))
    runs["small-input"] = write_run(folder / "small-input", networks / "toy.keras", small, side=32)
    return runs


@pytest.fixture(scope="session")
def outcomes(runs) -> Mapping[str, Outcome]:
    """What converting each run gives: a conversion, or the error it ended with."""

    def attempt(run: Path) -> Outcome:
        try:
            # Some of its operators have no 16-bit kernels, which would hide the fault of int8.
            alone = run.name in ("group_norm", "upsampling")
            targets = (Target.INT8,) if alone else tuple(Target)
            return convert(open_run(run), Plan(targets))
        except FerError as error:
            return error

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return dict(zip(runs, pool.map(attempt, runs.values()), strict=True))


@pytest.fixture
def converted(outcomes) -> Conversion:
    """The toy network, converted."""
    conversion = outcomes["toy"]
    assert isinstance(conversion, Conversion), conversion
    return conversion
