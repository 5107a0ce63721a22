"""Settings: which value wins, where it came from, and what is refused."""

import pytest

from fer_edge.settings import Settings, read_settings_file, resolve
from fer_edge.shared.errors import EXIT_CONFIG, SettingsError
from fer_edge.shared.written_values import as_written


def resolved(*, flags=(), environment=(), file=()):
    return resolve(
        flags=dict(flags), environment=dict(environment), file=dict(file), file_name="edge.toml"
    )


def refused(**layers):
    with pytest.raises(SettingsError) as caught:
        resolved(**layers)
    assert caught.value.exit_code == EXIT_CONFIG
    return str(caught.value)


FILE = {"detector": {"min_face_px": 50}}
ENVIRONMENT = {"FER_EDGE_DETECTOR_MIN_FACE_PX": "60"}
FLAGS = {"detector.min_face_px": "70"}


@pytest.mark.parametrize(
    ("layers", "value", "origin"),
    [
        ({}, 40, "default"),
        ({"file": FILE}, 50, "edge.toml"),
        ({"environment": ENVIRONMENT}, 60, "environment FER_EDGE_DETECTOR_MIN_FACE_PX"),
        ({"flags": FLAGS}, 70, "flag"),
        (
            {"file": FILE, "environment": ENVIRONMENT},
            60,
            "environment FER_EDGE_DETECTOR_MIN_FACE_PX",
        ),
        ({"file": FILE, "flags": FLAGS}, 70, "flag"),
        ({"environment": ENVIRONMENT, "flags": FLAGS}, 70, "flag"),
        ({"file": FILE, "environment": ENVIRONMENT, "flags": FLAGS}, 70, "flag"),
    ],
)
def test_flags_beat_the_environment_beats_the_file_beats_defaults(layers, value, origin):
    result = resolved(**layers)
    assert result.settings.detector.min_face_px == value
    assert result.origins["detector.min_face_px"] == origin
    assert result.origins["model.path"] == "default"


def test_without_anything_all_is_default():
    assert resolved().settings == Settings()


def test_secrets_and_the_file_s_own_name_are_no_settings():
    environment = {"FER_EDGE_SECRET_WEB_TOKEN": "x" * 32, "FER_EDGE_CONFIG": "edge.toml"}
    assert set(resolved(environment=environment).origins.values()) == {"default"}


def test_every_setting_explains_itself_and_can_be_set_in_the_environment():
    for row in resolved().rows():
        name = "FER_EDGE_" + row.key.replace(".", "_").upper()
        again = resolved(environment={name: str(row.value)})
        assert again.origins[row.key] == f"environment {name}"
        assert row.help
        assert again.settings == Settings()


def test_other_variables_of_the_environment_are_let_be():
    environment = {"PATH": "x", "FER_EDGE_CONFIG": "edge.toml", "FER_EDGEWISE": "1"}
    assert resolved(environment=environment).settings == Settings()


@pytest.mark.parametrize(
    "layers",
    [
        {"flags": {"detector.min_face": "50"}},
        {"environment": {"FER_EDGE_DETECTOR_MIN_FACE": "50"}},
        {"file": {"detector": {"min_face": 50}}},
    ],
)
def test_an_unknown_key_names_the_nearest(layers):
    assert "did you mean 'detector.min_face_px'" in refused(**layers)


def test_a_value_outside_a_section():
    assert "unknown setting 'min_face_px' (from edge.toml)" in refused(file={"min_face_px": 50})


def test_a_section_without_a_table():
    assert "setting detector = 5 (from edge.toml); expected a table" in refused(
        file={"detector": 5}
    )


def test_a_wrong_value_is_refused_though_another_would_win():
    assert "(from edge.toml)" in refused(file={"detector": {"min_face_px": 5}}, flags=FLAGS)


def test_a_value_is_shown_as_people_write_it():
    given = {"a": [True, None, 1.5], "b": {"c": "d"}}
    assert as_written(given) == "{a = [true, null, 1.5], b = {c = 'd'}}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("detector.min_face_px", "many"),
        ("detector.min_face_px", "50.0"),
        ("detector.min_face_px", 50.0),
        ("detector.min_face_px", True),
        ("detector.min_face_px", ""),
        ("detector.min_face_px", [50]),
        ("detector.min_face_px", 19),
        ("detector.min_face_px", 4097),
        ("detector.scale_factor", "nan"),
        ("detector.scale_factor", float("nan")),
        ("detector.scale_factor", float("inf")),
        ("detector.scale_factor", 1.0),
        ("detector.scale_factor", False),
        ("detector.scale_factor", "1,2"),
        ("detector.cascade", "best"),
        ("detector.cascade", 1),
        ("model.path", 5),
        ("model.path", ["a"]),
        ("model.threads", {"n": 1}),
    ],
)
def test_a_value_that_does_not_fit(key, value):
    section, _, name = key.partition(".")
    message = refused(file={section: {name: value}})
    assert message.startswith(f"setting {key} = {as_written(value)} (from edge.toml); expected ")
    if isinstance(value, str):
        assert f"setting {key} = {value!r} (from flag)" in refused(flags={key: value})


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("detector.min_face_px", "20", 20),
        ("detector.min_face_px", 4096, 4096),
        ("detector.scale_factor", 2, 2.0),
        ("detector.scale_factor", "1.25", 1.25),
        ("detector.confirm", "", ""),
        ("source.uri", "rtsp://me:word=1@host/s", "rtsp://me:word=1@host/s"),
    ],
)
def test_a_value_that_fits(key, value, expected):
    section, _, name = key.partition(".")
    for layers in ({"file": {section: {name: value}}}, {"flags": {key: str(value)}}):
        found = getattr(getattr(resolved(**layers).settings, section), name)
        assert found == expected
        assert type(found) is type(expected)


def test_a_settings_file(tmp_path):
    (tmp_path / "edge.toml").write_text('[model]\npath = "x.tflite"\n')
    assert read_settings_file(tmp_path / "edge.toml") == {"model": {"path": "x.tflite"}}


@pytest.mark.parametrize("content", [b"[model", b"\xff\xfe", b"path = x", None])
def test_a_file_that_is_no_settings_file(tmp_path, content):
    path = tmp_path / "edge.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="cannot be read as settings") as caught:
        read_settings_file(path)
    assert str(path) in str(caught.value)


def test_a_folder_is_no_settings_file(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read as settings"):
        read_settings_file(tmp_path)


@pytest.mark.parametrize(
    ("given", "value"),
    [("true", True), ("yes", True), ("1", True), ("False", False), ("no", False), ("0", False)],
)
def test_a_switch_takes_the_usual_words(given, value):
    assert resolved(flags={"source.mirror": given}).settings.source.mirror is value


def test_a_switch_in_a_file_is_a_boolean():
    assert resolved(file={"source": {"mirror": True}}).settings.source.mirror is True
    assert "true or false" in refused(file={"source": {"mirror": 2}})
    assert "true or false" in refused(flags={"source.mirror": "perhaps"})


def test_rotation_is_one_of_four():
    assert resolved(file={"source": {"rotation": 270}}).settings.source.rotation == 270
    assert resolved(flags={"source.rotation": "90"}).settings.source.rotation == 90
    assert "one of 0, 90, 180, 270" in refused(flags={"source.rotation": "45"})


def test_a_key_without_its_section_is_named_with_it():
    with pytest.raises(SettingsError, match=r"did you mean 'tracker\.max_faces'\?"):
        resolve(flags={"max_faces": "2"}, environment={}, file={})
    several = r"did you mean 'detector\.min_face_px' or 'tracker\.min_face_px'\?"
    with pytest.raises(SettingsError, match=several):
        resolve(flags={"min_face_px": "30"}, environment={}, file={})
