"""Vision on pictures whose truth is known because they are drawn here, and on real ones where they are present."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from aquaponia.vision import Pixels, answer, answer_alone, segment, shrink
from aquaponia.worker import ScriptError

PYTHON = Path(__file__).resolve().parents[1]
CONTRACTS = sorted((PYTHON.parent / "test" / "contracts" / "vision").glob("*.json"))
DATA = Path(os.environ.get("AQUAPONIA_DATA", PYTHON.parents[1] / "shared" / "data"))

LEAF, YELLOW, BROWN = (80, 150, 50), (205, 195, 60), (130, 85, 45)
BACKGROUNDS = {
    "soil": (95, 75, 60),
    "white raft": (235, 235, 230),
    "black tray": (28, 28, 30),
    "blue pipe": (50, 90, 170),
    "terracotta": (175, 95, 65),
}


def picture(
    background: tuple[int, int, int],
    leaf: tuple[int, int, int] = LEAF,
    size: tuple[int, int] = (320, 240),
    noise: float = 3,
) -> tuple[Pixels, NDArray[np.bool_]]:
    """Draw six leaves and camera noise on a background; the picture and the leaves' mask."""
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    for row in range(2):
        for column in range(3):
            centre = (width * (2 * column + 1) // 6, height * (2 * row + 1) // 4)
            cv2.circle(mask, centre, min(width, height) // 8, 255, -1)
    rgb = np.where(mask[..., None] > 0, np.array(leaf), np.array(background)).astype(np.float64)
    rgb += np.random.default_rng(7).normal(0, noise, rgb.shape)
    return np.clip(rgb, 0, 255).astype(np.uint8), mask > 0


def see(rgb: NDArray[np.uint8], overlay: bool = False) -> dict[str, Any]:
    height, width = rgb.shape[:2]
    return answer({"width": width, "height": height, "channels": 3, "overlay": overlay}, rgb.tobytes())[0]


def under(rgb: Pixels, light: tuple[float, float, float]) -> Pixels:
    """Light a picture in another colour; the gains act on linear light, as lamps do."""
    linear = (rgb / 255.0) ** 2.2 * np.array(light)
    return np.asarray(np.clip(linear, 0, 1) ** (1 / 2.2) * 255, np.uint8)


@pytest.mark.parametrize("background", BACKGROUNDS.values(), ids=BACKGROUNDS.keys())
def test_measures_known_leaves_on_every_background(background: tuple[int, int, int]) -> None:
    rgb, leaves = picture(background)
    reply = see(rgb)
    assert reply["canopyCover"] == {"value": pytest.approx(100 * leaves.mean(), rel=0.05), "unit": "%"}
    assert reply["greenness"] == {"value": pytest.approx(150 / 280, abs=0.01), "unit": "1"}
    assert reply["yellowing"]["value"] < 2
    assert reply["browning"]["value"] < 4
    assert reply["confidence"] > 0.8
    assert reply["overlay"] is None


@pytest.mark.parametrize("background", BACKGROUNDS.values(), ids=BACKGROUNDS.keys())
@pytest.mark.parametrize(("tissue", "figure"), [(YELLOW, "yellowing"), (BROWN, "browning")])
def test_measures_a_sick_quarter_of_each_leaf(
    background: tuple[int, int, int], tissue: tuple[int, int, int], figure: str
) -> None:
    rgb, leaves = picture(background)
    height, width = leaves.shape
    for row in range(2):
        for column in range(3):
            centre = (width * (2 * column + 1) // 6, height * (2 * row + 1) // 4)
            cv2.ellipse(rgb, centre, (height // 8, height // 8), 0, 0, 90, tissue, -1)
    reply = see(rgb)
    assert reply[figure]["value"] == pytest.approx(25, abs=4)
    assert reply["canopyCover"]["value"] == pytest.approx(100 * leaves.mean(), rel=0.07)
    other = "browning" if figure == "yellowing" else "yellowing"
    assert reply[other]["value"] < 4


@pytest.mark.parametrize("background", BACKGROUNDS.values(), ids=BACKGROUNDS.keys())
def test_sees_no_plants_where_there_are_none(background: tuple[int, int, int]) -> None:
    reply = see(picture(background, leaf=background)[0])
    assert reply["canopyCover"]["value"] == 0
    assert [reply[figure]["value"] for figure in ("greenness", "yellowing", "browning")] == [None] * 3
    assert reply["confidence"] == 0


@pytest.mark.parametrize("level", [0, 128, 255], ids=["black", "grey", "white"])
def test_is_sure_of_nothing_on_a_blank_picture(level: int) -> None:
    reply = see(np.full((120, 160, 3), level, np.uint8))
    assert reply["canopyCover"]["value"] == 0
    assert reply["greenness"]["value"] is None
    assert reply["confidence"] == 0


@pytest.mark.parametrize("spread", [10, 40, 90])
def test_does_not_split_noise(spread: int) -> None:
    rgb = np.random.default_rng(3).normal(128, spread, (240, 320, 3))
    reply = see(np.clip(rgb, 0, 255).astype(np.uint8))
    assert reply["canopyCover"]["value"] < 12
    assert reply["confidence"] < 0.2


def test_does_not_split_a_canopy_that_fills_the_picture() -> None:
    rng = np.random.default_rng(5)
    shade = cv2.GaussianBlur(rng.uniform(0.6, 1.3, (240, 320)), (0, 0), 6)[..., None]
    rgb = np.clip(np.array(LEAF) * shade + rng.normal(0, 4, (240, 320, 3)), 0, 255).astype(np.uint8)
    reply = see(rgb)
    assert reply["canopyCover"]["value"] > 99
    assert reply["confidence"] > 0.8


@pytest.mark.parametrize("background", ["white raft", "black tray", "soil"])
@pytest.mark.parametrize("light", [(1.0, 0.3, 0.9), (1.0, 0.25, 0.6)], ids=["magenta", "red-heavy"])
def test_finds_leaves_under_a_grow_lamp_and_trusts_them_less(
    background: str, light: tuple[float, float, float]
) -> None:
    rgb, leaves = picture(BACKGROUNDS[background], noise=1)
    reply = see(under(rgb, light))
    assert reply["canopyCover"]["value"] == pytest.approx(100 * leaves.mean(), rel=0.15)
    assert reply["confidence"] <= see(rgb)["confidence"]


@pytest.mark.parametrize("background", ["white raft", "black tray", "soil", "blue pipe"])
def test_finds_leaves_under_warm_light(background: str) -> None:
    rgb, leaves = picture(BACKGROUNDS[background])
    assert see(under(rgb, (1.0, 0.85, 0.6)))["canopyCover"]["value"] == pytest.approx(100 * leaves.mean(), rel=0.1)


@pytest.mark.parametrize("background", BACKGROUNDS.values(), ids=BACKGROUNDS.keys())
@pytest.mark.parametrize("light", [0.2, 0.5, 1.5])
def test_hardly_notices_how_bright_the_light_is(background: tuple[int, int, int], light: float) -> None:
    rgb, leaves = picture(background, noise=1)
    reply = see(under(rgb, (light, light, light)))
    assert reply["canopyCover"]["value"] == pytest.approx(100 * leaves.mean(), rel=0.1)


def test_does_not_care_which_way_up_the_picture_is() -> None:
    rgb, _ = picture(BACKGROUNDS["soil"])
    upright = see(rgb)
    for turned in (rgb[::-1], rgb[:, ::-1], rgb.transpose(1, 0, 2)):
        reply = see(np.ascontiguousarray(turned))
        for figure in ("canopyCover", "greenness", "yellowing", "browning"):
            assert reply[figure]["value"] == pytest.approx(upright[figure]["value"], abs=0.3)
        assert reply["confidence"] == pytest.approx(upright["confidence"], abs=0.01)


@pytest.mark.parametrize("factor", [0.5, 2, 3])
def test_does_not_care_how_large_the_picture_is(factor: float) -> None:
    rgb, _ = picture(BACKGROUNDS["white raft"])
    scaled = np.asarray(cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
    assert see(scaled)["canopyCover"]["value"] == pytest.approx(see(rgb)["canopyCover"]["value"], rel=0.04)


def test_more_leaf_is_never_less_cover() -> None:
    covers = []
    for radius in (0, 5, 10, 20, 40, 80):
        rgb = np.full((200, 200, 3), BACKGROUNDS["soil"], np.uint8)
        cv2.circle(rgb, (100, 100), radius, LEAF, -1)
        covers.append(see(rgb)["canopyCover"]["value"])
    assert covers == sorted(covers)


def test_draws_an_overlay_of_the_same_size_that_marks_plants_only() -> None:
    rgb, leaves = picture(BACKGROUNDS["soil"])
    reply, payload = answer({"width": 320, "height": 240, "channels": 3, "overlay": True}, rgb.tobytes())
    assert reply["overlay"] == {"width": 320, "height": 240, "channels": 3}
    changed = (np.frombuffer(payload, np.uint8).reshape(rgb.shape) != rgb).any(axis=2)
    assert (changed == (segment(rgb).plant > 0)).mean() > 0.999
    assert (changed & leaves).sum() / (changed | leaves).sum() > 0.95


def test_leaves_the_payload_empty_without_an_overlay() -> None:
    rgb, _ = picture(BACKGROUNDS["soil"])
    assert answer({"width": 320, "height": 240, "channels": 3, "overlay": False}, rgb.tobytes())[1] == b""


@pytest.mark.parametrize("size", [(8, 8), (8, 300), (300, 8), (4096, 8)])
def test_accepts_the_extremes_of_size(size: tuple[int, int]) -> None:
    width, height = size
    assert see(np.full((height, width, 3), LEAF, np.uint8), overlay=True)["canopyCover"]["value"] == 100


ROOM = {"width": 8, "height": 8, "channels": 3, "overlay": False}


@pytest.mark.parametrize(
    ("change", "size", "code", "field"),
    [
        ({}, 191, "IMAGE.SIZE_MISMATCH", "payload"),
        ({}, 193, "IMAGE.SIZE_MISMATCH", "payload"),
        ({}, 0, "IMAGE.SIZE_MISMATCH", "payload"),
        ({"width": 7}, 168, "IMAGE.TOO_SMALL", "width"),
        ({"height": -8}, 192, "IMAGE.TOO_SMALL", "height"),
        ({"height": 4097}, 192, "IMAGE.TOO_LARGE", "height"),
        ({"width": 10**30}, 192, "IMAGE.TOO_LARGE", "width"),
        ({"channels": 4}, 256, "IMAGE.CHANNELS", "channels"),
        ({"width": 8.0}, 192, "REQUEST.WRONG_TYPE", "width"),
        ({"width": "8"}, 192, "REQUEST.WRONG_TYPE", "width"),
        ({"height": None}, 192, "REQUEST.WRONG_TYPE", "height"),
        ({"width": True}, 192, "REQUEST.WRONG_TYPE", "width"),
        ({"overlay": 1}, 192, "REQUEST.WRONG_TYPE", "overlay"),
        ({"path": "/etc/passwd"}, 192, "REQUEST.UNKNOWN_FIELD", "path"),
    ],
)
def test_refuses_with_a_code_and_the_field(change: dict[str, Any], size: int, code: str, field: str) -> None:
    with pytest.raises(ScriptError) as refusal:
        answer(ROOM | change, bytes(size))
    assert (refusal.value.code, refusal.value.field) == (code, field)


@pytest.mark.parametrize("missing", ROOM)
def test_refuses_a_request_without_a_field(missing: str) -> None:
    with pytest.raises(ScriptError) as refusal:
        answer({field: value for field, value in ROOM.items() if field != missing}, bytes(192))
    assert (refusal.value.code, refusal.value.field) == ("REQUEST.WRONG_TYPE", missing)


def test_alone_reads_shrinks_and_writes_pictures(tmp_path: Path) -> None:
    rgb, leaves = picture(BACKGROUNDS["soil"], size=(2048, 1536))
    photo, seen = tmp_path / "photo.png", tmp_path / "seen.png"
    cv2.imwrite(str(photo), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    reply, _ = answer_alone({"path": str(photo), "overlayPath": str(seen)}, b"")
    assert reply["overlay"] == {"width": 1024, "height": 768, "channels": 3}
    assert reply["canopyCover"]["value"] == pytest.approx(100 * leaves.mean(), rel=0.03)
    drawn = cv2.imread(str(seen))
    assert drawn is not None
    assert drawn.shape == (768, 1024, 3)


def test_alone_refuses_what_it_cannot_read_or_write(tmp_path: Path) -> None:
    text, photo = tmp_path / "text.jpg", tmp_path / "photo.png"
    text.write_text("not a picture")
    cv2.imwrite(str(photo), np.full((20, 20, 3), 90, np.uint8))
    requests: list[tuple[dict[str, Any], str]] = [
        ({"path": str(tmp_path / "absent.jpg")}, "IMAGE.UNREADABLE"),
        ({"path": str(text)}, "IMAGE.UNREADABLE"),
        ({"path": str(tmp_path)}, "IMAGE.UNREADABLE"),
        ({"path": 3}, "REQUEST.WRONG_TYPE"),
        ({"path": str(photo), "width": 20}, "REQUEST.UNKNOWN_FIELD"),
        ({"path": str(photo), "overlayPath": str(tmp_path / "seen.nonsense")}, "IMAGE.UNWRITABLE"),
        ({"path": str(photo), "overlayPath": str(tmp_path / "absent" / "seen.png")}, "IMAGE.UNWRITABLE"),
    ]
    for request, code in requests:
        with pytest.raises(ScriptError) as refusal:
            answer_alone(request, b"")
        assert refusal.value.code == code


def script(*arguments: str, standard_input: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "aquaponia.vision", *arguments]
    return subprocess.run(command, cwd=PYTHON, input=standard_input, capture_output=True, timeout=60, check=False)


def test_worker_answers_and_never_opens_a_file(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    rgb, _ = picture(BACKGROUNDS["soil"], size=(32, 24))
    cv2.imwrite(str(photo), rgb)
    request = {"width": 32, "height": 24, "channels": 3, "overlay": True}
    lines = [
        json.dumps({"id": 1, "request": {"path": str(photo)}, "bytes": 0}).encode() + b"\n",
        json.dumps({"id": 2, "request": request, "bytes": rgb.nbytes}).encode() + b"\n" + rgb.tobytes(),
    ]
    done = script("--worker", standard_input=b"".join(lines))
    ready, refused, head = done.stdout.split(b"\n", 3)[:3]
    assert json.loads(ready) == {"ready": "vision", "protocol": 1}
    assert json.loads(refused)["error"]["code"] == "REQUEST.UNKNOWN_FIELD"
    assert json.loads(head)["reply"]["overlay"] == {"width": 32, "height": 24, "channels": 3}
    assert json.loads(head)["bytes"] == rgb.nbytes
    assert len(done.stdout.split(b"\n", 3)[3]) == rgb.nbytes
    assert done.returncode == 0


def test_alone_prints_one_reply_or_one_coded_error(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), cv2.cvtColor(picture(BACKGROUNDS["soil"])[0], cv2.COLOR_RGB2BGR))
    done = script(standard_input=json.dumps({"path": str(photo)}).encode())
    assert done.returncode == 0
    assert json.loads(done.stdout)["canopyCover"]["value"] > 10
    for text, code in ((b"{broken", "REQUEST.NOT_JSON"), (b"{}", "REQUEST.WRONG_TYPE")):
        done = script(standard_input=text)
        assert done.returncode == 1
        assert json.loads(done.stdout)["error"]["code"] == code


def assert_same(actual: Any, expected: Any) -> None:  # noqa: ANN401 - any JSON
    """Compare JSON: numbers within 1e-6, all else exactly."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict)
        assert actual.keys() == expected.keys()
        for key in expected:
            assert_same(actual[key], expected[key])
    elif isinstance(expected, int | float) and not isinstance(expected, bool):
        assert actual == pytest.approx(expected, abs=1e-6)
    else:
        assert actual == expected


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_keeps_the_contract(path: Path) -> None:
    example = json.loads(path.read_text())
    payload = base64.b64decode(example["payload"], validate=True)
    if "error" in example:
        with pytest.raises(ScriptError) as refusal:
            answer(example["request"], payload)
        expected = example["error"]
        assert {key: value for key, value in refusal.value.as_json().items() if key in expected} == expected
    else:
        assert_same(answer(example["request"], payload)[0], example["reply"])


def test_there_are_contracts() -> None:
    assert len(CONTRACTS) >= 3


def test_beats_excess_green_on_real_crops() -> None:
    images = sorted((DATA / "crops" / "images").glob("*.png"))
    if not images:
        pytest.skip("no recorded photos beside the project (AQUAPONIA_DATA): crops not scored")
    overlaps = []
    for path in images:
        photo = cv2.imread(str(path))
        mask = path.parents[1] / "masks" / path.name.replace("image", "mask")
        truth = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
        assert photo is not None
        assert truth is not None
        rgb = shrink(np.asarray(cv2.cvtColor(photo, cv2.COLOR_BGR2RGB), np.uint8))
        plants = cv2.resize(truth, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST) < 128
        found = segment(rgb).plant > 0
        overlaps.append((found & plants).sum() / (found | plants).sum())
    assert np.mean(overlaps) > 0.88
