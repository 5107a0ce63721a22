"""Does the machine's state spoil a run?"""

import dataclasses
import time

import pytest
from pi_machine import PI5_WATTS, a_system

from fer_edge.commands.bench.measure.vitals import (
    Vitals,
    VitalsWatch,
    describe_vitals,
    energy,
    reasons_against,
)
from fer_edge.state.machine import Answer

CALM = Vitals(0.0, True, 0, None, 2400.0, 50.0, None)


def looks(*changes, **common):
    return [
        dataclasses.replace(CALM, seconds=float(second), **{**common, **change})
        for second, change in enumerate(changes)
    ]


def bits(*values):
    return looks(*({"throttle_bits": value} for value in values))


def clocks(*values, busy=True):
    return looks(*({"frequency_mhz": value} for value in values), busy=busy)


@pytest.mark.parametrize(
    ("seen", "reasons"),
    [
        (bits(0, 0, 0), []),
        (bits(0, 0x4, 0), ["throttled during the run"]),
        (bits(0, 0x1, 0x10000), ["under-voltage during the run"]),
        (bits(0, 0, 0x80000), ["soft temperature limit during the run"]),
        # Set before the run and not again as far as anybody can tell.
        (bits(0x50000, 0x50000), []),
        (bits(0x50000, 0x50002, 0x70000), ["frequency capped during the run"]),
        (bits(None, None), []),
        (clocks(2400, 2400, 1500, 1500, 1500, 2400, 2400, 2400),
         ["the clock fell from 2400 to 1500 MHz"]),
        (clocks(2400, 2400, 1500, 1500, 2400, 2400), []),
        (clocks(2400, 2300, 2250, 2250, 2250, 2300, 2400, 2400), []),
        (clocks(*[2400] * 4, *[600] * 9, busy=False), []),
        (looks({"throttle_count": 7}, {"throttle_count": 9}),
         ["the processor throttled 2 times during the run"]),
        ([], []),
    ],
)  # fmt: skip
def test_what_speaks_against_a_run(seen, reasons):
    assert reasons_against(seen) == reasons


def test_a_watch_sees_what_happens_meanwhile(tmp_path):
    system = a_system(tmp_path)
    zone = tmp_path / "sys/class/thermal/thermal_zone0/temp"
    with VitalsWatch(system, period_seconds=0.01) as watch:
        time.sleep(0.05)
        with watch.busy():
            zone.write_text("81000\n")
            deadline = time.monotonic() + 10
            while watch.seen[-1].temperature_c != 81 and time.monotonic() < deadline:
                time.sleep(0.01)
    assert {vitals.busy for vitals in watch.seen} == {True, False}
    told = describe_vitals(watch.seen)
    assert told["temperature_c"] == [54.95, 81.0]
    assert told["frequency_mhz"] == [2400, 2400]
    assert told["not_told"] == []
    assert watch.seen[0].watts == pytest.approx(PI5_WATTS)


def test_a_watch_of_a_machine_that_tells_nothing(tmp_path):
    asked = []

    def no_such_program(arguments):
        asked.append(arguments)

    system = dataclasses.replace(
        a_system(tmp_path, files=dict.fromkeys(SILENCED, "")), run=no_such_program
    )
    with VitalsWatch(system, period_seconds=0.01) as watch:
        time.sleep(0.1)
    assert describe_vitals(watch.seen)["not_told"] == ["throttling", "frequency", "temperature"]
    assert len(asked) == 2, "a command that is not there is not tried again and again"


def test_a_paced_run_may_let_the_clock_fall(tmp_path):
    with VitalsWatch(a_system(tmp_path), period_seconds=10) as watch:
        with watch.busy(throughout=False):
            assert watch.look().busy is False
        with watch.busy():
            assert watch.look().busy is True


SILENCED = [
    "sys/class/thermal/thermal_zone0/temp",
    *(f"sys/devices/system/cpu/cpu{n}/cpufreq/scaling_cur_freq" for n in range(4)),
]


def test_energy_is_power_over_time():
    seen = looks({"watts": 2.0}, {"watts": 4.0}, {"watts": 4.0})
    used = energy(seen, frames=70)
    assert used is not None
    assert used["joules"] == pytest.approx(7.0)
    assert used["mean_watts"] == pytest.approx(3.5)
    assert used["joules_per_frame"] == pytest.approx(0.1)


def test_no_energy_where_the_board_cannot_tell(tmp_path):
    unknown = {("vcgencmd", "pmic_read_adc"): Answer(255, "Command not registered")}
    with VitalsWatch(a_system(tmp_path, answers=unknown)) as watch:
        pass
    assert energy(watch.seen, frames=10) is None
