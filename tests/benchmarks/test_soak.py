"""When the soak says that a daemon does not hold: by samples that are made up."""

import pytest
import soak
from endured_faults import Outcome

HOUR = 3600.0


def samples(*, threads=lambda share: 11, descriptors=lambda share: 6, own_kb=lambda share: 90_000):
    """Return an hour of samples; each figure is a function of the share that has passed."""
    shares = [number / 720 for number in range(721)]
    return [
        (share * HOUR, round(own_kb(share)) + 20_000, round(own_kb(share)), threads(share),
         descriptors(share))
        for share in shares
    ]  # fmt: skip


def test_what_stays_as_it_was_holds():
    assert soak.grown(samples()) == []


def test_what_is_taken_in_the_first_third_is_warming_up():
    calm = samples(
        threads=lambda share: 11 if share > 0.3 else 4,
        own_kb=lambda share: 90_000 + 30_000 * min(share, 0.3),
    )
    assert soak.grown(calm) == []


def test_what_comes_and_goes_with_faults_holds():
    assert soak.grown(samples(threads=lambda share: 11 + int(share * 720) % 2)) == []


def test_one_thread_or_descriptor_that_stays_is_growth():
    leaking = samples(
        threads=lambda share: 11 + (share > 0.7), descriptors=lambda share: 6 + int(share * 10)
    )
    assert soak.grown(leaking) == ["12 threads and not 11", "13 descriptors and not 9"]


def test_memory_that_goes_on_growing_is_growth():
    (found,) = soak.grown(samples(own_kb=lambda share: 90_000 + 300 * share))
    assert found.startswith("memory growing by 29")
    assert soak.grown(samples(own_kb=lambda share: 90_000 + 20 * share)) == []


def test_a_few_samples_judge_no_memory():
    assert soak.grown(samples(own_kb=lambda share: 90_000 + 300 * share)[:5]) == []


def test_growth_ends_with_1(monkeypatch, capsys):
    class Leaking(soak.Soak):
        def run(self):
            self._camera.close()
            self.samples = samples(threads=lambda share: 11 + round(100 * share))
            fault = Outcome("killed", 3.0, 2.0, 1.0, 3.0, 10, 90, (11, 6), (11, 6))
            self.outcomes, self.exit_code = [("killed", fault)], 0

    monkeypatch.setattr(soak, "Soak", Leaking)
    monkeypatch.setattr(soak, "why_no_rtsp", lambda: "no RTSP here")
    monkeypatch.setattr(soak, "interruptible", lambda: None)
    monkeypatch.setattr("sys.argv", ["soak.py"])
    with pytest.raises(SystemExit) as end:
        soak.main()
    assert end.value.code == 1
    assert "86 threads and not 44" in capsys.readouterr().out
