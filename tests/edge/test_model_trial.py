"""A model that does not ship is tried in a child before anything here believes it."""

import json
import os
import sys
from pathlib import Path

import pytest
from builders import PORTRAIT, a_contract
from hostile_models import KINDS, hostile_model, reworded, with_labels
from tiny_model import golden_files, tiny_model, with_golden

from fer_edge import DEFAULT_MODEL
from fer_edge.assemble.checking import check_settings
from fer_edge.assemble.parts import make_classifier
from fer_edge.cli import cli
from fer_edge.commands.inspect import inspect_model
from fer_edge.models import open_model, shipped_models, trial, tried
from fer_edge.models.changing import install
from fer_edge.models.choice import serve
from fer_edge.models.slots import ModelSlots
from fer_edge.models.trial import begin_trial, require_pass, require_tried
from fer_edge.models.tried import TriedModels, trial_key
from fer_edge.settings import ModelSettings, Settings
from fer_edge.shared.errors import EXIT_CONFIG, ModelError, SettingsError
from fer_edge.shared.model import survival
from fer_edge.shared.model.model_file import parse_model, read_model, write_model
from fer_edge.shared.model.selftest import read_golden
from fer_edge.shared.model.survival import survive
from fer_edge.shared.model.words import as_name

ATTACK = Path(__file__).parents[3] / "shared" / "cases" / "attack"
CRASH = hostile_model("null input")
NOBODY = 65534


@pytest.fixture(autouse=True)
def nothing_known(tmp_path, monkeypatch):
    """No trial was ever made, neither by this process nor by this user."""
    monkeypatch.setattr(trial, "_passed", set())
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def no_child(monkeypatch):
    """Nothing can be tried any more."""

    def forbid():
        monkeypatch.setattr(trial, "_passed", set())
        monkeypatch.setattr(sys, "executable", "/no/such/python")

    return forbid


def written(folder, data, name="model.tflite"):
    path = folder / name
    path.write_bytes(data)
    return path


def model_of(data):
    return parse_model(data, where="model.tflite")


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"endless"}))
def test_no_kind_of_hostile_network_reaches_this_process(kind):
    model = model_of(hostile_model(kind))
    with pytest.raises(ModelError, match="fails its own test on this device") as caught:
        require_tried(model)
    assert caught.value.exit_code == EXIT_CONFIG
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError):
        require_tried(model)  # that it failed is not forgotten for a pass


def test_a_network_without_end_is_ended(monkeypatch):
    monkeypatch.setattr(survival, "LONGEST_SECONDS", 1.0)
    with pytest.raises(ModelError, match=r"it takes longer than 1 s|too much time"):
        require_tried(model_of(hostile_model("endless")))


def test_an_honest_model_is_tried_once(tmp_path, no_child):
    model = model_of(tiny_model(seed=3))
    require_tried(model)
    no_child()
    require_tried(model)
    with pytest.raises(ModelError, match="cannot be started"):
        require_tried(model_of(tiny_model(seed=4)))


def test_what_ships_needs_no_trial(no_child, tmp_path):
    no_child()
    for name in shipped_models():
        copy = written(tmp_path, Path(open_model(name).path).read_bytes())
        assert make_classifier(ModelSettings(path=str(copy))).contract.name == name


def test_another_runtime_or_processor_tries_again(no_child, monkeypatch):
    model = model_of(tiny_model(seed=3))
    require_tried(model)
    no_child()
    monkeypatch.setattr(tried, "_surroundings", lambda: ("another board",))
    with pytest.raises(ModelError, match="cannot be started"):
        require_tried(model)


def test_golden_vectors_that_differ_are_refused_and_told_by_the_selftest(tmp_path, capsys):
    honest = model_of(tiny_model(seed=3))
    golden = read_golden(honest)
    outputs = golden.outputs.copy()
    outputs[0] ^= 2
    files = golden_files(golden.inputs, outputs)
    path = written(tmp_path, write_model(honest.flatbuffer, honest.contract, files))
    with pytest.raises(ModelError, match="1 of 16 golden vectors differ"):
        require_tried(read_model(path))
    assert "1 of 16" in survive(read_model(path)).mismatch
    with pytest.raises(Exception, match="1 of 16 golden vectors differ"):
        cli.main(["selftest", "--json", str(path)], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["mismatches"] == 1
    with pytest.raises(ModelError, match="no golden"):
        require_pass(with_golden(tiny_model(), {}))


# The record of what has passed.


def record(tmp_path):
    return tmp_path / "cache" / "fer-edge" / "tried-models.json"


@pytest.mark.parametrize("what", ["folder", "file", "link", "owner", "content", "size"])
def test_a_record_that_others_could_have_written_is_not_believed(tmp_path, no_child, what):
    model = model_of(tiny_model(seed=3))
    require_tried(model)
    path = record(tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    if what == "folder":
        path.parent.chmod(0o777)
    elif what == "file":
        path.chmod(0o666)
    elif what == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif what == "owner":
        if os.geteuid():
            pytest.skip("only root can give a file away")
        os.chown(path, NOBODY, NOBODY)
    elif what == "content":
        path.write_bytes(b"[" * 3000)
    else:
        path.write_bytes(json.dumps([*json.loads(path.read_bytes()), "x" * 20_000]).encode())
    no_child()
    with pytest.raises(ModelError, match="cannot be started"):
        require_tried(model)


def test_a_record_stays_small_and_keeps_the_newest(tmp_path):
    known = TriedModels(tmp_path / "own")
    for number in range(100):
        known.add(f"{number:064d}")
    known.add(f"{50:064d}")
    path = tmp_path / "own" / "tried-models.json"
    assert len(json.loads(path.read_text())) == 64
    assert path.stat().st_size < 16_384
    assert known.holds(f"{99:064d}")
    assert known.holds(f"{50:064d}")
    assert not known.holds(f"{0:064d}")
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_no_record_is_no_harm(tmp_path, no_child):
    nowhere = TriedModels(written(tmp_path, b"", "file") / "below")
    nowhere.add("x")
    assert not nowhere.holds("x")
    assert not TriedModels(None).holds("x")


def test_the_record_of_a_service_is_in_its_state_folder(tmp_path, monkeypatch):
    (tmp_path / "state").mkdir(mode=0o750)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    require_tried(model_of(tiny_model(seed=3)))
    assert (tmp_path / "state" / "tried-models.json").is_file()
    assert not (tmp_path / "cache").exists()


# Every door.


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--model", "MODEL", "--source", "FOLDER/happy"],
        ["classify", "--model", "MODEL", str(PORTRAIT)],
        ["evaluate", "--model", "MODEL", "FOLDER"],
        ["selftest", "MODEL"],
        ["inspect", "MODEL"],
        ["demo", "--model", "MODEL", "--out", "FOLDER/out"],
        ["config", "check", "FOLDER/config.toml"],
        ["model", "install", "MODEL", "--state", "FOLDER/state"],
        ["bench", "--model", "MODEL", "--seconds", "1"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_door_is_guarded(arguments, tmp_path, capfd):
    path = written(tmp_path, CRASH)
    written(tmp_path, f'[model]\npath = "{path}"\n'.encode(), "config.toml")
    (tmp_path / "happy").mkdir()
    written(tmp_path / "happy", PORTRAIT.read_bytes(), "one.jpg")
    arguments = [
        argument.replace("MODEL", str(path)).replace("FOLDER", str(tmp_path))
        for argument in arguments
    ]
    with pytest.raises((ModelError, SystemExit)) as caught:
        cli.main(arguments, standalone_mode=False)
    if isinstance(caught.value, SystemExit):  # from the child that classifies
        assert caught.value.code == EXIT_CONFIG
        said = capfd.readouterr().err
    else:
        assert caught.value.exit_code == EXIT_CONFIG
        said = str(caught.value)
    assert "dies of signal 11" in said


def test_inspect_still_tells_what_a_refused_file_says(tmp_path):
    found = inspect_model(read_model(written(tmp_path, CRASH)))
    assert "dies of signal 11" in found.to_text()
    assert found.to_json()["passed"] is False
    assert found.to_json()["contract"]["name"] == "tiny"


# Who made it.


def test_a_hash_that_is_shown_covers_the_labels(tmp_path):
    shipped = open_model(DEFAULT_MODEL)
    turned = model_of(
        with_labels(Path(shipped.path).read_bytes(), tuple(reversed(shipped.contract.labels)))
    )
    assert turned.contract.flatbuffer_sha256 == shipped.contract.flatbuffer_sha256
    assert turned.sha256 != shipped.sha256
    shown = inspect_model(turned).to_text()
    assert shipped.sha256 not in shown
    assert "hashes prove that the file is whole, not who made it" in shown
    assert "what most of ten people saw" not in shown, "the genuine file's figures"
    assert "says the converter in the file, unproven" in shown
    assert "this package" in inspect_model(shipped).to_text()


def test_trust_pins_one_file(tmp_path):
    path = written(tmp_path, tiny_model(seed=3))
    own = f"sha256:{read_model(path).sha256}"
    make_classifier(ModelSettings(path=str(path), trust=own))
    written(tmp_path, tiny_model(seed=4))
    with pytest.raises(ModelError, match=r"as model\.trust says") as caught:
        make_classifier(ModelSettings(path=str(path), trust=own))
    assert caught.value.exit_code == EXIT_CONFIG
    with pytest.raises(ModelError, match=r"as model\.trust says"):
        make_classifier(ModelSettings(trust=own))


def test_what_is_not_trusted_is_not_even_tried(tmp_path, no_child):
    path = written(tmp_path, tiny_model(seed=3))
    no_child()
    begin_trial(str(path), trust="sha256:" + "0" * 64)
    assert trial._begun == {}
    with pytest.raises(ModelError, match=r"as model\.trust says"):
        make_classifier(ModelSettings(path=str(path), trust="sha256:" + "0" * 64))


def test_a_slot_whose_model_is_not_trusted_is_passed_over(tmp_path):
    slots, files = ModelSlots(tmp_path / "state"), []
    for seed in (3, 4):
        files.append(written(tmp_path, tiny_model(seed=seed), f"{seed}.tflite"))
        install(files[-1], slots)
    trust = f"sha256:{read_model(files[0]).sha256}"
    serving = serve("slot", slots=slots, trust=trust)
    assert serving.place == "a"
    assert "slot b" in serving.problem
    assert serve("slot", slots=slots, trust="sha256:" + "0" * 64).place == "shipped"


def test_a_trial_that_began_early_is_not_made_twice(tmp_path, no_child):
    path = written(tmp_path, tiny_model(seed=3))
    begin_trial(str(path), trust="")
    trial._begun[trial_key(read_model(path))].join()
    no_child()
    require_tried(read_model(path))
    begin_trial("no such model", trust="")


@pytest.mark.parametrize("trust", ["sha256", "sha256:12", "sha256:" + "A" * 64, "md5:" + "a" * 64])
def test_trust_is_a_hash(trust):
    with pytest.raises(SettingsError, match=r"model\.trust"):
        check_settings(Settings(model=ModelSettings(trust=trust)))


# What it says of itself.

FORGED = "tiny\nstate  running, up 3 days"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": FORGED},
        {"name": "x" * 65},
        {"name": ""},
        {"name": "edge\u202esmall"},
        {"name": "\u0435dge-small"},  # a Cyrillic letter
        {"name": "\x1b[2J"},
        {"licence": "MIT\nstate  fine"},
        {"intended_use": "x" * 2001},
        {"limits": "none\x07"},
        {"limits": "a\u2028b"},
        {"flatbuffer_sha256": "\n"},
        {"provenance": {"data": {"name": FORGED}}},
        {"provenance": {FORGED: 1}},
        {"provenance": {"a": ["x" * 3000]}},
        {"provenance": {"a": json.loads("[" * 40 + "]" * 40)}},
        {"labels": ["happy\n", "sad", "fear", "angry", "disgust", "surprise", "neutral"]},
    ],
    ids=str,
)
def test_words_that_could_pass_for_ours_are_refused(changes):
    with pytest.raises(ModelError, match="a contract as fer-convert writes it") as caught:
        model_of(reworded(tiny_model(), **changes))
    assert caught.value.exit_code == EXIT_CONFIG


def test_a_contract_as_large_as_a_book_is_refused():
    provenance = {f"{number}": "x" * 1900 for number in range(200)}
    with pytest.raises(ModelError, match="a contract of"):
        model_of(reworded(tiny_model(), provenance=provenance))


def test_names_of_data_sets_are_brought_on_one_line():
    contract = a_contract(provenance={"data": {"name": "my\nfaces \u202e.zip"}})
    read = model_of(write_model(b"\0\0\0\0TFL3", contract, {})).contract
    assert read.provenance == {"data": {"name": "my faces ?.zip"}}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("edge-small", "edge-small"),
        ("mein Modell (neu)", "mein Modell -neu-"),
        ("a\nb\x1b[2J", "a-b-2J"),
        ("モデル", "unnamed"),
        (" ._x", "x"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_name_from_elsewhere_becomes_one_that_a_contract_may_bear(name, shown):
    assert as_name(name) == shown
    reworded_model = model_of(reworded(tiny_model(), name=as_name(name)))
    assert reworded_model.contract.name == shown


# The cases that were found by attack.


@pytest.mark.skipif(not ATTACK.is_dir(), reason="the cases are not here (shared/cases)")
@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("model-segfault/E_in_8_opt", "dies of signal 11"),
        ("model-memory/E_shape_27_big", "refuses the model"),
        ("model-no-operators/E_no_ops", "refuses the model"),
        ("model-name-newline/N_name", "the name"),
    ],
)
def test_models_of_the_attack_are_refused(case, words):
    with pytest.raises(ModelError, match=words) as caught:
        require_tried(read_model(ATTACK / f"{case}.tflite"))
    assert caught.value.exit_code == EXIT_CONFIG


@pytest.mark.skipif(not ATTACK.is_dir(), reason="the cases are not here (shared/cases)")
@pytest.mark.parametrize("case", ["model-relabelled/G_labels_perm", "model-backdoor/backdoor"])
def test_forgeries_of_the_attack_do_not_pass_for_the_genuine(case):
    model = read_model(ATTACK / f"{case}.tflite")
    genuine = open_model("edge-nano-ferplus").sha256
    assert genuine not in inspect_model(model).to_text()
    with pytest.raises(ModelError, match=r"model\.trust"):
        make_classifier(ModelSettings(path=model.path, trust=f"sha256:{genuine}"))
