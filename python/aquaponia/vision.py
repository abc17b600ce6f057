"""Find plants in a photo by colour, and say how much of it they cover and how green, yellow and brown they are.

Alone: ``echo '{"path": "photo.jpg", "overlayPath": "seen.jpg"}' | python -m aquaponia.vision``.
Kept warm: raw RGB pixels on the wire, as :mod:`aquaponia.worker` describes.

How a pixel becomes plant
    1. A light blur, against sensor noise and JPEG blocks.
    2. Light: a grow lamp leaves green out, so a picture whose red *and* blue both outshine its green is brought back
       by one gain on green (grey world, Buchsbaum 1980, on the green-magenta axis alone). Warm and cool light are left
       to the camera: what it leaves uncorrected pulls grey to hues below 86, which count as brown, not as living.
    3. Index: the chroma of CIE L*a*b* along hue 135 degrees, between the yellow (103) and the green (136) of sRGB:
       ``cos(135) a* + sin(135) b*``. Grey, soil, white raft, black tray and blue pipe lie near or below 0, leaves
       mostly between 20 and 70. Chroma goes with the cube root of the light: at half the light it keeps 0.8.
    4. Threshold: Otsu's (1979) over the pixels with some chroma, so that the great grey mass of the background does
       not pull it; held within a range, so that a photo without plants or with nothing else is not split. The lower
       end of the range follows the exposure.
    5. A median of the mask, which removes speckle.
    6. Dead tissue is no longer green: brown pixels are added where they touch green ones and their colour is not one
       that the background has too (soil, wood, terracotta).
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from aquaponia.worker import ScriptError, run

Pixels = NDArray[np.uint8]
"""An RGB picture, height x width x 3, or a mask, height x width, 0 or 255."""

METHOD: Final = "cielab-135+otsu-above-floor/1"
SMALLEST, LARGEST = 8, 4096
WORKING_SIDE: Final = 1024
"""The API shrinks a photo to this long side; so does this script alone."""

ZERO: Final = 128
"""Where OpenCV puts 0 of a* and b* in a byte."""
USUAL_LIGHTNESS: Final = 66
"""Mean L* of a well-exposed photo; the lower end of the threshold follows the light from here."""
LOWEST_THRESHOLD: Final = 20
"""At the usual lightness: the green sheen that a tray or a wall takes on reaches 17."""
DARKEST_THRESHOLD: Final = 10
"""However dark the photo: below, sensor noise and JPEG blocks are as colourful."""
HIGHEST_THRESHOLD: Final = 24
"""However bright the leaves: above, the shaded ones are lost."""
BACKGROUND_SHARE: Final = 0.4
"""Of the lowest threshold: what lies below is background, and Otsu's method does not look at it."""
STABILITY_STEP: Final = 3
"""Index units (about one just noticeable difference) by which the threshold is moved to see what stays."""

YELLOW_HUES: Final = (85.0, 105.0)
"""Degrees of L*a*b* hue. Pure sRGB yellow is 103; chlorotic leaves 90-105; pale lettuce 112; most leaves 115-140.

Hues are as the camera balanced them: a warm lamp it left uncorrected turns leaves yellow, so compare like with like."""
BROWN_HUES: Final = (20.0, 85.0)
"""Degrees of L*a*b* hue. Straw and dry leaf 75-85, necrosis 55-75, rust 40-55; below 20 begin pink and purple."""
BROWN_CHROMA: Final = 12
"""A brown below this chroma is shadow, potting soil or grey."""
BROWN_LIGHTNESS: Final = 20
"""L*, 0 to 100; darker is shadow or wet soil, whose hue is noise."""
REACH: Final = 0.05
"""How far from green tissue dead tissue is looked for, as a share of the diagonal; a larger dead patch is not seen."""
RARER: Final = 0.5
"""A brown counts as leaf when far from plants it is at most this share as frequent as near them."""

EXPOSED: Final = (25, 250)
"""A plant pixel whose green lies outside has lost its colour."""
LARGEST_GAIN: Final = 4.0
"""On green, under a magenta lamp; beyond it what is left of green is noise."""
COLOURS: Final = 1 << 13

TINTS: Final = ((0, 200, 80), (255, 210, 0), (230, 60, 0))
"""RGB of plants on the overlay: green, and on top of it yellow and brown."""
OUTLINE: Final = (255, 0, 255)

_LIGHTNESS_ROW: Final = (1.0, 0.0, 0.0, 0.0)

T = TypeVar("T")
_JSON_NAMES: Final[dict[type, str]] = {int: "an integer", bool: "true or false", str: "a string"}

Plane: TypeAlias = NDArray[np.integer[Any] | np.floating[Any]]
"""What OpenCV's stubs say every function of it returns."""


@dataclass(frozen=True)
class Plants:
    """What :func:`segment` sees."""

    plant: Pixels
    """Everything that is plant, and among it:"""
    yellow: Pixels
    brown: Pixels
    balanced: Pixels
    """The blurred picture after the correction of light, RGB."""
    threshold: float
    """In index units: CIE L*a*b* chroma."""
    stability: float
    """0 to 1: plant area at a slightly stricter threshold over that at a slightly laxer one."""
    coherence: float
    """0 to 1: intersection over union of the mask before and after speckle is removed."""
    green_gain: float
    """1 under white light, 2 to 4 under a magenta lamp."""


def segment(rgb: Pixels) -> Plants:
    """Separate plants from whatever they grow in. ``rgb``: height x width x 3."""
    balanced, gain = _balance(cv2.GaussianBlur(rgb, (3, 3), 0))
    lab = _pixels(cv2.cvtColor(balanced, cv2.COLOR_RGB2Lab))
    index, after_brown, after_yellow = cv2.split(
        _project(lab, _hue_row(135), _hue_row(BROWN_HUES[1] + 90), _hue_row(YELLOW_HUES[1] + 90))
    )
    histogram = cv2.calcHist([index], [0], None, [256], [0, 256]).ravel().astype(np.float64)
    threshold = _threshold(histogram, cv2.mean(lab)[0] / 2.55)

    # A terracotta pot has as much yellow in it as a leaf; living tissue leans to green, never to red.
    raw = _above(index, threshold) & _above(after_brown, 0)
    living = _pixels(cv2.medianBlur(raw, 5))
    brown = _dead_tissue(lab, living, ~_above(after_brown, 0))
    return Plants(
        plant=living | brown,
        yellow=living & ~_above(after_yellow, 0),
        brown=brown,
        balanced=balanced,
        threshold=float(threshold),
        stability=_share(
            histogram[ZERO + threshold + STABILITY_STEP + 1 :].sum(),
            histogram[ZERO + threshold - STABILITY_STEP + 1 :].sum(),
        ),
        coherence=_share(cv2.countNonZero(raw & living), cv2.countNonZero(raw | living)),
        green_gain=gain,
    )


def _balance(rgb: Plane) -> tuple[Pixels, float]:
    """Give back to green what a magenta lamp left out; the gain is 1 under any other light."""
    red, green, blue, _ = cv2.mean(rgb)
    gain = float(np.clip(min(red, blue) / max(green, 1.0), 1, LARGEST_GAIN))
    if gain > 1:
        ramp = np.arange(256)
        table = np.stack([ramp, np.minimum(ramp * gain, 255).round(), ramp], axis=1).astype(np.uint8)
        rgb = cv2.LUT(rgb, table.reshape(256, 1, 3))
    return _pixels(rgb), gain


def _hue_row(hue: float) -> tuple[float, float, float, float]:
    """Project a* and b* on the direction ``hue`` (degrees): ``ZERO`` stands for 0, a step for one unit of chroma.

    The projection on ``hue + 90`` is positive for the half circle of hues that follow ``hue``.
    """
    cos, sin = float(np.cos(np.radians(hue))), float(np.sin(np.radians(hue)))
    return 0.0, cos, sin, ZERO * (1 - cos - sin)


def _project(lab: Pixels, *rows: tuple[float, float, float, float]) -> Pixels:
    """Apply three rows to each pixel; three, because only from three to three does OpenCV take its fast path."""
    return _pixels(cv2.transform(lab, np.array(rows, np.float32)))


def _threshold(histogram: NDArray[np.float64], lightness: float) -> int:
    """Otsu's threshold over what is not background for certain, held within its range; in units of chroma.

    ``histogram``: 256 counts of the index. ``lightness``: the photo's mean L*, 0 to 100. L* + 16 and chroma change
    alike with the light, both with its cube root.
    """
    exposure = (lightness + 16) / (USUAL_LIGHTNESS + 16)
    lowest = min(max(LOWEST_THRESHOLD * exposure, DARKEST_THRESHOLD), HIGHEST_THRESHOLD)
    floor = round(BACKGROUND_SHARE * lowest)
    count = histogram[ZERO + floor :]
    chroma = np.arange(floor, floor + count.size)
    below, moment = count.cumsum(), (count * chroma).cumsum()
    above = below[-1] - below
    spread = (moment[-1] * below - below[-1] * moment) ** 2 / np.maximum(below * above, 1)
    return int(np.clip(chroma[spread.argmax()], round(lowest), HIGHEST_THRESHOLD))


def _dead_tissue(lab: Pixels, living: Pixels, before_yellow: Pixels) -> Pixels:
    """Mask brown tissue: of a brown hue, grown on to living tissue, and of a colour rare away from plants."""
    hue_low, hue_high = BROWN_HUES
    planes = _project(lab, _LIGHTNESS_ROW, _hue_row((hue_low + hue_high) / 2), _hue_row(hue_low + 90))
    least = (BROWN_LIGHTNESS * 255 / 100, ZERO + BROWN_CHROMA, ZERO + 1)
    brown = before_yellow & _pixels(cv2.inRange(planes, least, (255, 255, 255)))
    reach = _widen(living, REACH)
    near, away = reach & ~living, ~reach
    if not (brown & near).any():
        return np.zeros_like(living)

    colour = _colour_codes(lab)
    often_near = _frequencies(colour, brown & near, near)
    often_away = _frequencies(colour, brown & away, away)
    rare_away = np.where(often_away <= RARER * often_near, 255, 0).astype(np.uint8)
    candidate = _pixels(cv2.medianBlur(brown & near & rare_away.take(colour), 5))
    count, label = cv2.connectedComponents(candidate, connectivity=8)
    seam = candidate & _pixels(cv2.dilate(living, np.ones((5, 5), np.uint8)))
    touching = np.zeros(count, np.uint8)
    touching[label[seam > 0]] = 255
    return touching.take(np.asarray(label, np.int32))


def _colour_codes(lab: Pixels) -> NDArray[np.uint16]:
    """Quantise L* to 3 bits and a* and b* to 5 each, in one number below ``COLOURS``."""
    lightness, a, b = (_pixels(plane) for plane in cv2.split(lab))
    codes: NDArray[np.uint16] = np.left_shift(lightness >> 5, 10, dtype=np.uint16)
    codes |= np.left_shift(a >> 3, 5, dtype=np.uint16)
    codes |= b >> 3
    return codes


def _frequencies(colour: NDArray[np.uint16], mask: Pixels, within: Pixels) -> NDArray[np.float64]:
    """How often each colour code occurs under ``mask``, as a share of ``within``; a large photo is sampled."""
    height, width = mask.shape
    step = 1 + min(height, width) // 512
    codes, sampled = colour[::step, ::step].copy(), mask[::step, ::step].copy()
    counts = cv2.calcHist([codes], [0], sampled, [COLOURS], [0, COLOURS]).ravel()
    return counts.astype(np.float64) / max(cv2.countNonZero(within[::step, ::step].copy()), 1)


def _widen(mask: Pixels, share: float) -> Pixels:
    """Widen a mask by a share of the picture's diagonal; on a thumbnail, for the exact outline does not matter."""
    height, width = mask.shape
    scale = min(1.0, 128 / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Widened by a thumbnail's pixel first, so that taking the nearest pixel misses no thin leaf.
    step = 2 * round(0.5 / scale) + 1
    small = cv2.resize(cv2.dilate(mask, np.ones((step, step), np.uint8)), size, interpolation=cv2.INTER_NEAREST)
    reach = max(1, round(share * scale * float(np.hypot(height, width))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    wide = cv2.resize(cv2.dilate(small, disc), (width, height), interpolation=cv2.INTER_NEAREST)
    return _above(wide, -ZERO)


def measure(plants: Plants) -> dict[str, Any]:
    """Reduce masks to the figures of the reply.

    - ``canopyCover``, %: plant pixels among all pixels.
    - ``greenness``, 0 to 1: the green chromatic coordinate G / (R + G + B) of the plants' mean colour, as PhenoCam
      defines it for a region of interest (Richardson et al. 2007). Grey is 0.333, a healthy leaf 0.38 to 0.55.
    - ``yellowing`` and ``browning``, %: plant pixels whose hue lies in ``YELLOW_HUES`` and ``BROWN_HUES``.
    - ``confidence``, 0 to 1, a product of four: how little the area changes when the threshold moves (stability), how
      little of it was speckle (coherence), the share of plant pixels neither black nor blown out, and 1 over the gain
      on green, for under a magenta lamp the hues are guessed. Without plants it is 0: nothing was told apart.

    Without plants the three figures about them are None.
    """
    total = cv2.countNonZero(plants.plant)
    red, green, blue, _ = cv2.mean(plants.balanced, plants.plant)
    exposed = _pixels(cv2.inRange(cv2.extractChannel(plants.balanced, 1), *EXPOSED))

    def percent(mask: Pixels) -> float | None:
        return round(100 * cv2.countNonZero(mask) / total, 4) if total else None

    confidence = plants.stability * plants.coherence / plants.green_gain
    return {
        "canopyCover": {"value": round(100 * total / plants.plant.size, 4), "unit": "%"},
        "greenness": {"value": round(green / (red + green + blue), 4) if total else None, "unit": "1"},
        "yellowing": {"value": percent(plants.yellow), "unit": "%"},
        "browning": {"value": percent(plants.brown), "unit": "%"},
        "confidence": round(confidence * _share(cv2.countNonZero(exposed & plants.plant), total), 4),
        "threshold": plants.threshold,
        "method": METHOD,
    }


def draw(rgb: Pixels, plants: Plants) -> Pixels:
    """Tint plants green, yellow and brown over the photo, and draw their outline; same shape as ``rgb``."""
    outline = plants.plant & ~_pixels(cv2.erode(plants.plant, np.ones((3, 3), np.uint8)))
    # A bit for each mask, and a table from bits to colours: one pass over the pixels instead of four.
    bits = (plants.plant & 1) | (plants.yellow & 2) | (plants.brown & 4) | (outline & 8)
    table = np.zeros((256, 3), np.uint8)
    for bit, colour in zip((1, 2, 4, 8), (*TINTS, OUTLINE), strict=True):
        table[(np.arange(256) & bit) > 0] = colour
    paint = cv2.merge([cv2.LUT(bits, channel) for channel in table.T.copy()])
    overlay = rgb.copy()
    cv2.copyTo(cv2.addWeighted(rgb, 0.6, paint, 0.4, 0), plants.plant, overlay)
    return _pixels(cv2.copyTo(paint, outline, overlay))


def answer(request: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Analyse one photo.

    ``request``: ``width`` and ``height`` in pixels, 8 to 4096; ``channels``, 3; ``overlay``, whether to send one back.
    ``payload``: the pixels, RGB, row by row, ``width * height * 3`` bytes.

    The reply holds the figures of :func:`measure` and ``overlay``: null, or the shape of the bytes that follow.

    :raises ScriptError: ``REQUEST.UNKNOWN_FIELD``, ``REQUEST.WRONG_TYPE``, ``IMAGE.TOO_SMALL``, ``IMAGE.TOO_LARGE``,
        ``IMAGE.CHANNELS`` or ``IMAGE.SIZE_MISMATCH``.
    """
    _refuse_unknown(request, {"width", "height", "channels", "overlay"})
    width, height = _side(request, "width"), _side(request, "height")
    if _typed(request, "channels", int) != 3:
        raise ScriptError("IMAGE.CHANNELS", "the pixels must be RGB: 3 channels", "channels")
    wanted = _typed(request, "overlay", bool)
    if len(payload) != width * height * 3:
        message = f"{width} x {height} RGB pixels are {width * height * 3} bytes, not {len(payload)}"
        raise ScriptError("IMAGE.SIZE_MISMATCH", message, "payload")
    reply, overlay = _analyse(np.frombuffer(payload, np.uint8).reshape(height, width, 3), wanted)
    return reply, b"" if overlay is None else overlay.tobytes()


def answer_alone(request: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Analyse a photo that a person names: ``path``, with ``overlay`` and ``overlayPath`` if they wish.

    Never served to the API: a request from outside must not name a file. Without ``path`` it is :func:`answer`.

    :raises ScriptError: as :func:`answer`, and ``IMAGE.UNREADABLE`` or ``IMAGE.UNWRITABLE``.
    """
    if "path" not in request:
        return answer(request, payload)
    _refuse_unknown(request, {"path", "overlay", "overlayPath"})
    path = _typed(request, "path", str)
    overlay_path = _typed(request, "overlayPath", str) if "overlayPath" in request else None
    wanted = overlay_path is not None or ("overlay" in request and _typed(request, "overlay", bool))
    reply, overlay = _analyse(_read(path), wanted)
    if overlay is not None and overlay_path is not None:
        _write(overlay_path, overlay)
    return reply, b"" if overlay is None else overlay.tobytes()


def shrink(picture: Pixels) -> Pixels:
    """Bring a picture's long side down to the size that the API hands over."""
    height, width = picture.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return _pixels(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)) if scale < 1 else picture


def _analyse(rgb: Pixels, overlay: bool) -> tuple[dict[str, Any], Pixels | None]:
    plants = segment(rgb)
    height, width = rgb.shape[:2]
    shape = {"width": width, "height": height, "channels": 3} if overlay else None
    return {**measure(plants), "overlay": shape}, draw(rgb, plants) if overlay else None


def _read(path: str) -> Pixels:
    """Decode a photo, turned the way its EXIF says, and shrink it."""
    picture = cv2.imread(path, cv2.IMREAD_COLOR) if Path(path).is_file() else None
    if picture is None:
        raise ScriptError("IMAGE.UNREADABLE", f"{path} is not a picture that can be read", "path")
    rgb = shrink(_pixels(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)))
    if min(rgb.shape[:2]) < SMALLEST:
        raise ScriptError("IMAGE.TOO_SMALL", f"a picture needs {SMALLEST} pixels or more each way", "path")
    return rgb


def _write(path: str, rgb: Pixels) -> None:
    try:
        written = cv2.imwrite(path, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    except cv2.error:
        written = False
    if not written:
        raise ScriptError("IMAGE.UNWRITABLE", f"{path} cannot be written as a picture", "overlayPath")


def _refuse_unknown(request: dict[str, Any], known: set[str]) -> None:
    for field in request:
        if field not in known:
            raise ScriptError("REQUEST.UNKNOWN_FIELD", f"{field!r} is none of {', '.join(sorted(known))}", field)


def _typed(request: dict[str, Any], field: str, wanted: type[T]) -> T:
    value = request.get(field)
    # In Python true is an int; in JSON it is not.
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise ScriptError("REQUEST.WRONG_TYPE", f"{field} must be given, as {_JSON_NAMES[wanted]}", field)
    return value


def _side(request: dict[str, Any], field: str) -> int:
    side = _typed(request, field, int)
    if side < SMALLEST:
        raise ScriptError("IMAGE.TOO_SMALL", f"{field} must be {SMALLEST} pixels or more", field)
    if side > LARGEST:
        raise ScriptError("IMAGE.TOO_LARGE", f"{field} must be {LARGEST} pixels or fewer", field)
    return side


def _above(plane: Plane, value: float) -> Pixels:
    return _pixels(cv2.threshold(plane, ZERO + value, 255, cv2.THRESH_BINARY)[1])


def _share(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole > 0 else 0.0


def _pixels(array: Plane) -> Pixels:
    """Tell the type checker what OpenCV's stubs leave open."""
    return cast("Pixels", array)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    # OpenCV builds its L*a*b* tables at first use: not while a grower waits.
    segment(np.zeros((SMALLEST, SMALLEST, 3), np.uint8))
    run("vision", answer if "--worker" in sys.argv[1:] else answer_alone)
