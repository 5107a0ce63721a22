"""What a machine says of itself."""

import pytest
from pi_machine import PI5_WATTS, a_system

from fer_edge.state.machine import (
    Answer,
    System,
    cpu_model,
    describe_machine,
    flag_names,
    frequency_mhz,
    pmic_watts,
    run_command,
    throttle_bits,
    throttle_count,
)

NO_FLAGS = {("vcgencmd", "get_throttled"): Answer(-1, "")}


def test_a_pi_5(tmp_path):
    manifest = describe_machine(a_system(tmp_path))
    assert manifest["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert manifest["cpu"] == "Cortex-A76"
    assert (manifest["architecture"], manifest["userland_bits"]) == ("aarch64", 64)
    assert (manifest["governor"], manifest["max_frequency_mhz"]) == ("ondemand", 2400)
    assert manifest["temperature_c"] == 54.95
    assert manifest["memory_mb"] == pytest.approx(8060.2, abs=0.1)
    assert manifest["kernel"] == "6.12.25+rpt-rpi-2712"
    assert manifest["os"] == "Debian GNU/Linux 12 (bookworm)"
    assert manifest["throttled_now"] == manifest["throttled_since_start"] == []
    assert {"python", "numpy"} <= manifest["libraries"].keys()


def test_a_machine_that_tells_nothing(tmp_path):
    manifest = describe_machine(System(tmp_path, lambda _: None, "riscv64", 64))
    assert manifest["board"] == manifest["cpu"] == "unknown"
    for name in ("governor", "frequency_mhz", "temperature_c", "throttled_now", "memory_mb"):
        assert manifest[name] is None


def test_this_machine_can_be_described():
    manifest = describe_machine(System())
    assert manifest["cores"] >= manifest["usable_cores"] >= 1
    assert manifest["memory_mb"] > 64
    assert manifest["kernel"]


def test_a_pc_names_its_processor(tmp_path):
    files = {"proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD Ryzen 5\n\nprocessor\t: 1\n"}
    assert cpu_model(a_system(tmp_path, files=files)) == "AMD Ryzen 5"


def test_an_arm_core_of_the_future(tmp_path):
    files = {"proc/cpuinfo": "CPU part\t: 0xd8f\n"}
    assert cpu_model(a_system(tmp_path, files=files)) == "ARM part 0xd8f"


@pytest.mark.parametrize(
    ("answer", "bits", "now", "since"),
    [
        ("throttled=0x0\n", 0, [], []),
        ("throttled=0x50005\n", 0x50005, ["under-voltage", "throttled"],
         ["under-voltage", "throttled"]),
        ("throttled=0x80000\n", 0x80000, [], ["soft temperature limit"]),
        ("throttled=0x2\n", 2, ["frequency capped"], []),
    ],
)  # fmt: skip
def test_throttling_flags(tmp_path, answer, bits, now, since):
    system = a_system(tmp_path, answers={("vcgencmd", "get_throttled"): Answer(0, answer)})
    assert throttle_bits(system) == bits
    assert flag_names(bits) == (now, since)


@pytest.mark.parametrize("answer", ["VCHI initialization failed", "error=2 error_msg=...", ""])
def test_a_firmware_that_does_not_answer(tmp_path, answer):
    system = a_system(tmp_path, answers={("vcgencmd", "get_throttled"): Answer(0, answer)})
    assert throttle_bits(system) is None


@pytest.mark.parametrize("node", ["soc/soc:firmware", "soc@107c000000/soc@107c000000:firmware"])
def test_the_kernel_tells_the_flags_without_a_command(tmp_path, node):
    files = {f"sys/devices/platform/{node}/get_throttled": "50000\n"}
    assert throttle_bits(a_system(tmp_path, files=files, answers=NO_FLAGS)) == 0x50000


@pytest.mark.parametrize(("alarm", "bits"), [("0\n", 0), ("1\n", 1 << 16)])
def test_the_voltage_monitor_where_nothing_else_tells(tmp_path, alarm, bits):
    files = {
        "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
        "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
        "sys/class/hwmon/hwmon1/in0_lcrit_alarm": alarm,
    }
    assert throttle_bits(a_system(tmp_path, files=files, answers=NO_FLAGS)) == bits


def test_a_pc_counts_its_throttling(tmp_path):
    files = {
        f"sys/devices/system/cpu/cpu{n}/thermal_throttle/core_throttle_count": f"{n}\n"
        for n in range(3)
    }
    assert throttle_count(a_system(tmp_path, files=files)) == 3


def test_the_fastest_core_counts(tmp_path):
    files = {"sys/devices/system/cpu/cpu2/cpufreq/scaling_cur_freq": "2800000"}
    assert frequency_mhz(a_system(tmp_path, files=files)) == 2800


def test_power_is_summed_over_rails_with_both_readings(tmp_path):
    assert pmic_watts(a_system(tmp_path)) == pytest.approx(PI5_WATTS)


def test_a_pi_4_cannot_tell_its_power(tmp_path):
    unknown = Answer(255, 'error=1 error_msg="Command not registered"')
    system = a_system(tmp_path, answers={("vcgencmd", "pmic_read_adc"): unknown})
    assert pmic_watts(system) is None


def test_commands():
    answer = run_command(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert answer == Answer(3, "out\nerr\n")
    assert run_command(["no-such-program-anywhere"]) is None
    assert run_command(["sleep", "5"], timeout_seconds=0.05) is None
