"""Teachers that are asked once, and pupils that see what they saw."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fer_edge.shared.errors import DataError, ModelError, OutputError, SettingsError
from fer_edge.shared.opencv import cv2
from fer_trainer.backend import keras
from fer_trainer.cli import cli
from fer_trainer.data.loading import load_data
from fer_trainer.data.splitting import SplitData
from fer_trainer.jobs.finished import load_run
from fer_trainer.jobs.fit import fit
from fer_trainer.jobs.teach import _open, teach
from fer_trainer.jobs.teachers import check_teachers
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import AugmentationSettings, Recipe
from fer_trainer.run.folder import RunFolder
from fer_trainer.run.metrics import trained_in
from fer_trainer.training.answers import StoredAnswers, open_answers
from fer_trainer.training.augmentation import Augment
from fer_trainer.training.batches import ShuffledBatches
from fer_trainer.training.lessons import stored_lessons, with_unlabelled
from fer_trainer.training.loop import predict, targets
from fer_trainer.training.views import draw_views, unmoved

array = keras.ops.convert_to_numpy


@pytest.fixture(scope="module")
def nameless(tmp_path_factory: pytest.TempPathFactory, a_png_of: Callable[..., bytes]) -> Path:
    """A ZIP of 30 faces without labels, 10 of them masked, 5 of others, and a text."""
    path = tmp_path_factory.mktemp("nameless") / "more.zip"
    rng = np.random.default_rng(5)
    with zipfile.ZipFile(path, "w") as archive:
        for kind, count in (("web", 20), ("masked", 10), ("lab", 5)):
            for number in range(count):
                archive.writestr(f"{kind}_{number:03d}.png", a_png_of(number % 7, rng))
        archive.writestr("about.csv", "file,source\n")
    return path


@pytest.fixture(scope="module")
def a_png_of(a_face: Callable[..., np.ndarray]) -> Callable[..., bytes]:
    def draw(label: int, rng: np.random.Generator) -> bytes:
        face = cv2.copyMakeBorder(a_face(label, rng), 12, 12, 12, 12, cv2.BORDER_CONSTANT, value=9)
        return bytes(cv2.imencode(".png", face)[1].tobytes())

    return draw


def pupil(recipe: Path, nameless: Path, answers: Path, *more: str) -> Recipe:
    return load_recipe(
        str(recipe),
        overrides=[
            f"data.unlabelled={json.dumps(str(nameless))}",
            f"distillation.answers={json.dumps(str(answers))}",
            'unlabelled.only=["web_*", "masked_*"]',
            'unlabelled.even=["masked_*"]',
            "unlabelled.middle=0.6667",
            'unlabelled.note="made up for a test"',
            *more,
        ],
    )


@pytest.fixture(scope="module")
def answered(
    headed_run: Path, finished_run: Path, headed_recipe: Path, nameless: Path, faces: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Recipe, SplitData]:  # fmt: skip
    out = tmp_path_factory.mktemp("answers") / "answers"
    recipe = pupil(headed_recipe, nameless, out)
    split = load_data(recipe, faces)
    teach([headed_run, finished_run], recipe, split, out, views=3, seed=4, force=False,
          tell=lambda line: None)  # fmt: skip
    return out, recipe, split


def test_what_is_unlabelled_is_read_counted_and_written_down(
    answered: tuple[Path, Recipe, SplitData],
) -> None:
    split = answered[2]
    assert split.unlabelled is not None
    assert len(split.unlabelled) == 30
    assert split.unlabelled.even.sum() == 10
    assert split.unlabelled.pictures.shape == (30, 48, 48), "the middle of 72, not shrunk"
    assert split.unlabelled.pictures[0].max() > 200
    told = split.to_json()["unlabelled"]
    assert told["left_out"] == {"no picture": 1, "not asked for": 5}
    assert told["note"] == "made up for a test"
    assert told["name"] == "more.zip"


def test_faces_that_are_also_judged_by_are_left_out(
    headed_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = pupil(headed_recipe, faces / "test", tmp_path, "unlabelled.middle=1.0",
                   "unlabelled.only=[]")  # fmt: skip
    with pytest.raises(DataError, match="no picture"):
        load_data(recipe, faces)


def test_answers_are_the_mean_of_what_each_teacher_says_of_the_same_view(
    answered: tuple[Path, Recipe, SplitData], headed_run: Path, finished_run: Path
) -> None:
    out, recipe, split = answered
    answers = open_answers(out)
    assert answers.facts["pictures"] == len(split.train) + 30
    drawn = draw_views(recipe.augmentation, seed=4, view=1, count=len(split.train) + 30,
                       shape=(48, 48))  # fmt: skip
    layer = Augment(AugmentationSettings(flip=True, shift=0.04, rotation_degrees=5), seed=99)
    seen = array(layer(split.train.pictures, drawn[: len(split.train)], training=True))
    networks = {
        name: load_run(run)[1]
        for name, run in (
            ("own", headed_run / "heads/own"), ("single", finished_run),
            ("people", headed_run / "heads/people"),
        )
    }  # fmt: skip
    said = {name: array(network(seen)) for name, network in networks.items()}
    found = answers.read_view(1)
    rows = slice(0, len(split.train))
    wanted = (said["own"] + said["single"]) / 2
    assert found["fer2013"][rows] == pytest.approx(wanted, abs=2e-3)
    assert found["ferplus"][rows] == pytest.approx(said["people"], abs=2e-3)
    assert found["fer2013"].dtype == np.float16
    unmoved_said = predict(networks["people"], split.train.pictures)
    assert np.abs(unmoved_said - said["people"]).max() > 0.02, "the views differ from the pictures"


def test_teaching_goes_on_where_it_was_and_mends_what_is_damaged(
    answered: tuple[Path, Recipe, SplitData], headed_run: Path, finished_run: Path, tmp_path: Path
) -> None:
    source, recipe, split = answered
    out = tmp_path / "answers"
    out.mkdir()
    for path in source.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    (out / "view-000.npz").unlink()
    (out / "view-002.npz").write_bytes((out / "view-002.npz").read_bytes()[:100])
    lines: list[str] = []

    def ask(*runs: Path, views: int = 3, force: bool = False) -> StoredAnswers:
        return teach(runs, recipe, split, out, views=views, seed=4, force=force, tell=lines.append)

    ask(headed_run, finished_run)
    assert [line.split("  ")[0] for line in lines[1:]] == ["view 1/3", "view 3/3"]
    for view in range(3):
        for name, said in open_answers(source).read_view(view).items():
            assert np.array_equal(said, open_answers(out).read_view(view)[name])
    with pytest.raises(OutputError, match="something other than answers of these teachers"):
        ask(finished_run)
    ask(finished_run, views=1, force=True)
    assert sorted(path.name for path in out.iterdir()) == [
        "answers.json", "pictures.npz", "view-000.npz",
    ]  # fmt: skip
    stale = (source / "view-001.npz").read_bytes()
    (out / "view-000.npz").write_bytes(stale)
    with pytest.raises(ModelError, match=r"view-000\.npz cannot be used"):
        open_answers(out).read_view(0)


def test_targets_mix_labels_and_answers_and_leave_masks_even(
    answered: tuple[Path, Recipe, SplitData],
) -> None:
    out, recipe, split = answered
    train = split.train
    _, wanted = with_unlabelled(recipe, train.pictures, targets(train, recipe), split.unlabelled)
    lessons = stored_lessons(recipe, train, split.unlabelled, open_answers(out), wanted)
    assert lessons is not None
    taught, views = lessons.of_epoch(4)
    assert views == pytest.approx(
        draw_views(recipe.augmentation, seed=4, view=1, count=len(taught), shape=(48, 48))
    )
    said = open_answers(out).read_view(1)
    own = said["fer2013"][: len(train)].astype(np.float32)
    assert taught[: len(train), :7] == pytest.approx(
        0.5 * wanted[: len(train), :7] + 0.5 * own, abs=2e-3
    )
    unknown = np.flatnonzero(wanted[: len(train), 7:].sum(axis=1) == 0)
    assert unknown.size
    assert taught[unknown, 7:] == pytest.approx(said["ferplus"][unknown], abs=2e-3)
    bare, masked = (
        len(train) + np.flatnonzero(split.unlabelled.even == even) for even in (False, True)
    )
    assert taught[bare, :7] == pytest.approx(said["fer2013"][bare], abs=2e-3)
    assert np.allclose(taught[masked, :7], 1 / 7)
    assert np.allclose(taught.sum(axis=1), 2, atol=1e-4), "each head's part sums to 1"


def test_each_batch_has_its_share_of_unlabelled_faces() -> None:
    pictures = np.arange(40, dtype=np.uint8).reshape(40, 1, 1)
    batches = ShuffledBatches(
        pictures, np.zeros((40, 2), np.float32), batch_size=8, seed=1, beside=(10, 0.25)
    )
    assert len(batches) == 30 // 6
    orders = []
    for _ in range(2):
        order = batches.order
        assert ((order >= 30).sum(axis=1) == 2).all()
        assert len(np.unique(order[order < 30])) == 30
        assert len(np.unique(order[order >= 30])) == 10, "all before any a second time"
        orders.append(order)
        batches.on_epoch_end()
    assert (orders[0] != orders[1]).any()


@pytest.mark.parametrize(
    ("batch", "share", "others"), [(16, 0.997, 15), (2, 0.75, 1), (16, 0.003, 1)]
)
def test_a_batch_is_never_all_or_none_of_unlabelled_faces(
    batch: int, share: float, others: int
) -> None:
    pictures = np.zeros((40, 1, 1), np.uint8)
    batches = ShuffledBatches(
        pictures, np.zeros((40, 2), np.float32), batch_size=batch, seed=1, beside=(10, share)
    )
    assert ((batches.order >= 30).sum(axis=1) == others).all()


def test_a_pupil_learns_from_answers_and_resumes(
    answered: tuple[Path, Recipe, SplitData], headed_recipe: Path, nameless: Path, faces: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    out, _, split = answered
    more = ("training.epochs=4", "augmentation.faceless_probability=0.1",
            "augmentation.blur_probability=0.2", "augmentation.cutmix_probability=0.3",
            "distillation.weight=0.9")  # fmt: skip
    recipe = pupil(headed_recipe, nameless, out, *more)
    fit(recipe, split, RunFolder(tmp_path / "whole"), tell=lambda line: None)

    def stop(line: str) -> None:
        if line.startswith("epoch 2/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe, split, RunFolder(tmp_path / "cut"), tell=stop)
    manifest = out / "answers.json"
    before = manifest.read_bytes()
    try:
        manifest.write_bytes(before.replace(b'"mean_of"', b'"average_of"'))
        for name in ("cut", "whole"):
            with pytest.raises(SettingsError, match="begun with other teachers, or other answers"):
                fit(recipe, split, RunFolder(tmp_path / name), tell=stop, resume=True)
    finally:
        manifest.write_bytes(before)
    fit(recipe, split, RunFolder(tmp_path / "cut"), tell=lambda line: None, resume=True)
    first, second = (load_run(tmp_path / name / "heads/people")[1] for name in ("whole", "cut"))
    for one, two in zip(first.get_weights(), second.get_weights(), strict=True):
        assert np.array_equal(one, two)
    contract = load_run(tmp_path / "whole/heads/own")[0]
    assert [name.split(",")[0] for name in contract.provenance["teachers"]] == ["headed", "small"]
    assert contract.provenance["unlabelled"]["read_evenly"] == 10


def test_a_single_answer_learns_from_answers_and_unlabelled_faces(
    answered: tuple[Path, Recipe, SplitData], small_recipe: Path, nameless: Path, faces: Path,
    finished_run: Path, tmp_path: Path,
) -> None:  # fmt: skip
    out = answered[0]
    recipe = pupil(small_recipe, nameless, out, "training.epochs=12", "distillation.weight=1.0")
    split = load_data(recipe, faces)
    fit(recipe, split, RunFolder(tmp_path / "run"), tell=lambda line: None)
    teacher, taught = (
        predict(load_run(run)[1], split.train.pictures) for run in (finished_run, tmp_path / "run")
    )
    labels = np.eye(7)[split.train.labels]
    assert np.abs(taught - teacher).mean() < 0.6 * np.abs(labels - teacher).mean()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("augmentation.shift=0.1", r"answered with augmentation\.shift = 0\.04.*teach"),
        ("input.equalise=true", r"answered with input\.equalise = False"),
        ("data.seed=9", r"sets aside, for instance .* were not set aside"),
        ('unlabelled.only=["*"]', r"knows nothing of 5 of the \d+ pictures"),
        ("unlabelled.middle=0.5", r"saw \d+ otherwise of the"),
    ],
)
def test_answers_to_other_questions_are_refused(
    answered: tuple[Path, Recipe, SplitData], headed_recipe: Path, nameless: Path, faces: Path,
    change: str, message: str,
) -> None:  # fmt: skip
    out = answered[0]
    recipe = pupil(headed_recipe, nameless, out, change)
    split = load_data(recipe, faces)

    def begin() -> None:
        check_teachers(recipe, content_sha256="", validation=split.val.names)
        train = split.train
        _, wanted = with_unlabelled(
            recipe, train.pictures, targets(train, recipe), split.unlabelled
        )
        stored_lessons(recipe, train, split.unlabelled, open_answers(out), wanted)

    with pytest.raises(SettingsError, match=message):
        begin()


def test_a_teacher_that_learnt_from_what_is_set_aside_is_not_asked(
    finished_run: Path, headed_recipe: Path, nameless: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = pupil(headed_recipe, nameless, tmp_path / "out", "data.seed=9")
    with pytest.raises(SettingsError, match=r"teacher .* was trained on \d+ of the pictures"):
        teach([finished_run], recipe, load_data(recipe, faces), tmp_path / "out", views=1, seed=0,
              force=False, tell=lambda line: None)  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_a_run_says_in_which_precision_it_answers(tmp_path: Path, finished_run: Path) -> None:
    assert trained_in(finished_run / "metrics.json") == "float32"
    path = tmp_path / "metrics.json"
    for written, read in (
        ('{"precision": "mixed_bfloat16"}', "mixed_bfloat16"), ("{}", "float32"),
        ('{"precision": "of another version"}', "float32"),
    ):  # fmt: skip
        path.write_text(written)
        assert trained_in(path) == read
    path.write_text("[")
    with pytest.raises(ModelError, match=r"metrics\.json cannot be read"):
        trained_in(path)


def test_a_teacher_answers_in_the_precision_it_was_trained_in(
    finished_run: Path, small_recipe: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps(metrics | {"precision": "mixed_bfloat16"}))
    teacher = _open(run, load_recipe(str(small_recipe)))
    assert teacher.facts["precision"] == "mixed_bfloat16"
    assert any(layer.compute_dtype == "bfloat16" for layer in teacher.network.layers)


def test_a_view_of_no_change_shows_the_picture_and_others_repeat_exactly() -> None:
    given = AugmentationSettings(flip=True, shift=0.1, rotation_degrees=9, contrast=0.3, crop=0.2)
    pictures = np.random.default_rng(0).integers(0, 256, (6, 48, 48)).astype(np.uint8)
    layers = [Augment(given, seed=seed) for seed in (1, 2)]
    still = array(layers[0](pictures, unmoved(6), training=True))[..., 0]
    assert still == pytest.approx(pictures, abs=0.01)
    drawn = draw_views(given, seed=3, view=0, count=6, shape=(48, 48))
    assert drawn.shape == (6, 8)
    first, second = (array(layer(pictures, drawn, training=True)) for layer in layers)
    assert np.array_equal(first, second), "nothing is left to the layer's own seed"
    other = draw_views(given, seed=3, view=1, count=6, shape=(48, 48))
    assert np.abs(array(layers[0](pictures, other, training=True)) - first).mean() > 5
    many = draw_views(given, seed=3, view=0, count=4000, shape=(48, 48))
    assert (many[:, 0] < 0).mean() == pytest.approx(0.5, abs=0.05), "half are mirrored"
    assert np.abs(many[:, 4]).max() <= 48 * 0.2 * 1.02 + 1


def test_the_command_stores_answers_and_says_how_large_they_are(
    finished_run: Path, faces: Path, tmp_path: Path
) -> None:
    arguments = ["teach", str(finished_run), str(faces), "--out", str(tmp_path / "answers"),
                 "--views", "2"]  # fmt: skip
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "2 views in fer2013" in result.stdout
    assert "view 2/2" in result.stderr
    assert (tmp_path / "answers" / "view-001.npz").stat().st_size < 2 * 7 * 112 + 4096


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (['data.unlabelled="more.zip"'], "nobody who says what these faces show"),
        (['distillation.answers="a"', 'distillation.teachers=["b"]'], "teachers and answers"),
        (['data.unlabelled="m.zip"', 'distillation.teachers=["b"]', 'unlabelled.even=["m*"]'],
         "even, with teachers in the loop"),
        (["augmentation.mixup=0.2", "augmentation.cutmix_probability=0.5"], "one of the two"),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_refused(
    small_recipe: Path, changes: list[str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        load_recipe(str(small_recipe), overrides=changes)


def test_folders_that_are_no_answers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"answers\.json cannot be used.*fer-train teach"):
        open_answers(tmp_path)
    (tmp_path / "answers.json").write_text('{"version": 9}')
    with pytest.raises(ModelError, match="version 9"):
        open_answers(tmp_path)
