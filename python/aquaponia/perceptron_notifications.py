"""Decide how much attention the state of a system deserves: normal, advisory, warning or critical.

A perceptron with one hidden layer reads, for each quantity, how far it lies outside its range, where its rate of
change takes it within the hour, and whether its probe can be trusted. Every weight is non-negative, every activation
rises, and the head is ordinal (a cumulative logit: McCullagh 1980, "Regression models for ordinal data"); so moving a
value further out of its range never lowers the level, whatever the training did. It was trained on generated states
labelled by a rule (``train/perceptron_notifications.py``): no real labelled set exists.

Request, no payload::

    {"readings": [{"quantity": "ph", "value": 6.8 | null, "quality": "good" | "suspect" | "bad",
                   "ageSeconds": 12, "staleAfterSeconds": 600, "ratePerHour": -0.1 | null}],
     "ranges": {"ph": {"best": [6, 7], "vital": [6, 7.5]}}}

Without ``staleAfterSeconds`` the quantity's own limit holds. Values are in the units of ``QUANTITIES``; ``null`` in a
range leaves that side open. What lies outside of the vital range is never best, so a best range wider than the vital
one is cut to it.

Reply::

    {"level": "warning",
     "probabilities": {"normal": 0.01, "advisory": 0.14, "warning": 0.8, "critical": 0.05},
     "contributions": [{"quantity": "ph", "contribution": 1.2, "reason": "pH 8.9 is above its vital range (6 to 8.5)"}],
     "ignored": ["co2"],
     "modelVersion": "1.0.0"}

``level`` is the most probable one (of two alike, the worse). ``contributions`` has one entry for each quantity
considered, the largest magnitude first: the expected severity (0 normal to 3 critical) of the state, less that of the
same state with this quantity read well, steady and inside its best range. ``ignored`` names the quantities that the
model does not know or that have no range.

A failed probe never becomes a number: a reading with quality ``bad`` or without a value counts as "bad" and one older
than its quantity's limit as "stale"; neither its value nor its rate is looked at. A ``suspect`` value counts in full,
for a false alarm costs less than a dead tank. Of several readings of one quantity the worst counts, feature by feature.

Errors (``code``, ``field``): ``READINGS.INVALID`` (not a list, or an entry of another shape), ``READINGS.EMPTY`` (no
readings), ``READINGS.UNKNOWN`` (none that the model can judge: "normal" would be a guess), ``READINGS.NOT_FINITE``,
``RANGES.INVALID`` (not an object), ``RANGE.INVALID`` (not two pairs, not finite, or its ends the wrong way round).

Source of the ranges: the caller's profile (FAO Fisheries Technical Paper 589). The steps, tolerable rates and ages in
``QUANTITIES`` are this project's own, each with its reason.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aquaponia.worker import ScriptError, run

Array = npt.NDArray[np.float64]

LEVELS = ("normal", "advisory", "warning", "critical")
QUALITIES = ("good", "suspect", "bad")
WEIGHTS = Path(__file__).parent / "models" / "perceptron_notifications.json"

HOUR_AHEAD = 1.0
"""Hours that a rate is carried forward: fish die within the hour of a stopped pump."""

_HALF_HOUR, _WEEK = 1800.0, 604_800.0


@dataclass(frozen=True, slots=True)
class Quantity:
    """What the model must know of a quantity to compare it with others.

    ``step`` is the distance beyond a limit that counts as one; where it is None the quantity is compared by doublings
    (log2), as toxicity and oxygen debt grow by ratios, and ``floor`` is the least value told apart from nothing.
    ``tolerable_per_hour`` is the rate up to which a change alone says nothing. Older than ``stale_after_seconds``, a
    reading says nothing about now.
    """

    label: str
    unit: str
    tolerable_per_hour: float
    stale_after_seconds: float
    step: float | None = None
    floor: float = 0.0


QUANTITIES: dict[str, Quantity] = {
    # Tilapia: vital above 14 °C, dead below 12, hence the step.
    "water-temperature": Quantity("water temperature", " °C", 1.0, _HALF_HOUR, step=2.0),
    # 0.3 within a day already hurts; a third of it within one hour is the most that passes unremarked.
    "ph": Quantity("pH", "", 0.1, _HALF_HOUR, step=0.5),
    # Half the time of the others: it kills first.
    "dissolved-oxygen": Quantity("dissolved oxygen", " mg/L", 1.0, _HALF_HOUR / 2, floor=0.1),
    # Nitrogen is mostly tested by hand, once a week; in an hour it moves by little (FAO 589, chapter 3).
    "total-ammonia-nitrogen": Quantity("total ammonia nitrogen", " mg/L", 0.2, _WEEK, floor=0.01),
    "nitrite": Quantity("nitrite", " mg/L", 0.1, _WEEK, floor=0.01),
    "nitrate": Quantity("nitrate", " mg/L", 20.0, _WEEK, floor=1.0),
    # In per cent of the normal operating level: evaporation takes a few in a day, a leak takes them in an hour.
    "water-level": Quantity("water level", " %", 5.0, _HALF_HOUR, step=20.0),
    # Derived, so as old as the oldest reading that it was derived from, which is the ammonia test.
    "un-ionised-ammonia": Quantity("un-ionised ammonia", " mg/L NH3-N", 0.02, _WEEK, floor=0.001),
}

_MOST_BEYOND = 3.0  # steps beyond a vital limit after which worse is no worse
_MOST_SWING = 9.0  # tolerable rates beyond the first, likewise

KINDS = ("outside-best", "outside-vital", "beyond-vital", "hour-ahead", "swing", "suspect", "bad", "stale")
FEATURES = (*(f"{quantity}.{kind}" for quantity in QUANTITIES for kind in KINDS), "blind")

_KINDS = len(KINDS)
_BLIND = len(FEATURES) - 1
_ROW = {quantity: index for index, quantity in enumerate(QUANTITIES)}
_EVERYTHING = np.ones(len(FEATURES))
# A row for each quantity that blots out its features, and "blind", for it could then be read.
_AS_IF_WELL = 1.0 - np.pad(np.kron(np.eye(len(QUANTITIES)), np.ones(_KINDS)), ((0, 0), (0, 1)), constant_values=1.0)
_SEVERITIES = np.arange(len(LEVELS), dtype=np.float64)
_DARK = {"bad": [0.0] * 6 + [1.0, 0.0], "stale": [0.0] * 7 + [1.0]}


class Range(NamedTuple):
    """A best and a vital range in a quantity's own unit; an open side is infinite."""

    best_low: float
    best_high: float
    vital_low: float
    vital_high: float


class _Judged(NamedTuple):
    features: list[float]
    urgency: float
    sentence: str


def place(quantity: Quantity, value: float) -> float:
    """Give the place of a value (or of a limit) on its quantity's scale: in steps, or in doublings of its unit."""
    if quantity.step is not None:
        return value / quantity.step
    return -math.inf if value == -math.inf else math.log2(max(value, quantity.floor))


def _strain_above(at: float, best: float, vital: float) -> float:
    if at <= best:
        return 0.0
    if at <= vital:
        # Without a vital limit one step outside of the best range is as far as strain goes.
        return min(at - best, 1.0) if vital == math.inf else (at - best) / (vital - best)
    return 1.0 + min(at - vital, _MOST_BEYOND)


def strain(quantity: Quantity, limits: Range, value: float, rate_per_hour: float = 0.0) -> tuple[float, float]:
    """Measure how far outside of its range a value is, now and at worst within the hour.

    0 inside the best range, rising to 1 at the edge of the vital one (both on the scale of ``place``), then 1 and the
    steps or doublings beyond it, 4 at most.
    """
    later = value + rate_per_hour * HOUR_AHEAD
    if limits.best_low <= min(value, later) and max(value, later) <= limits.best_high:
        return 0.0, 0.0
    at, ahead = place(quantity, value), place(quantity, later)
    best_low, best_high, vital_low, vital_high = [place(quantity, limit) for limit in limits]
    below, above = _strain_above(-at, -best_low, -vital_low), _strain_above(at, best_high, vital_high)
    # On its way back a value may overshoot; counting that would make it better to start from further out.
    below_ahead = 0.0 if above else _strain_above(-ahead, -best_low, -vital_low)
    above_ahead = 0.0 if below else _strain_above(ahead, best_high, vital_high)
    now = max(below, above)
    return now, max(now, below_ahead, above_ahead)


def swing(quantity: Quantity, limits: Range, rate_per_hour: float) -> float:
    """Measure a rate of change beyond the tolerable one, in tolerable rates, 9 at most.

    Towards a side that is open (more oxygen, less ammonia) no rate is too fast.
    """
    towards = limits.best_high if rate_per_hour > 0 else limits.best_low
    if math.isinf(towards):
        return 0.0
    return min(max(abs(rate_per_hour) / quantity.tolerable_per_hour - 1.0, 0.0), _MOST_SWING)


def _number(
    value: object, field: str, code: str = "READINGS.INVALID", not_finite: str = "READINGS.NOT_FINITE"
) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScriptError(code, f"{field} must be a number", field)
    try:
        number = float(value)
    except OverflowError:  # JSON lets an integer be of any length
        number = math.inf
    if not math.isfinite(number):
        raise ScriptError(not_finite, f"{field} is not finite", field)
    return number


def _ends(pair: object, field: str) -> tuple[float, float]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise ScriptError("RANGE.INVALID", f"{field} must be [low or null, high or null]", field)
    low, high = (None if end is None else _number(end, field, "RANGE.INVALID", "RANGE.INVALID") for end in pair)
    ends = (-math.inf if low is None else low, math.inf if high is None else high)
    if ends[0] > ends[1]:
        raise ScriptError("RANGE.INVALID", f"{field} ends below where it begins", field)
    return ends


def read_range(entry: object, field: str) -> Range:
    """Read ``{"best": [...], "vital": [...]}``; raise ``RANGE.INVALID`` if it is none."""
    if not isinstance(entry, dict):
        raise ScriptError("RANGE.INVALID", f"{field} must be an object with best and vital", field)
    best_low, best_high = _ends(entry.get("best"), f"{field}.best")
    vital_low, vital_high = _ends(entry.get("vital"), f"{field}.vital")
    if best_low > vital_high or best_high < vital_low:
        raise ScriptError("RANGE.INVALID", f"{field}.best lies outside of {field}.vital", f"{field}.best")
    return Range(max(best_low, vital_low), min(best_high, vital_high), vital_low, vital_high)


def _show(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def _show_range(low: float, high: float, unit: str) -> str:
    if math.isinf(low):
        return "open" if math.isinf(high) else f"{_show(high)}{unit} or less"
    if math.isinf(high):
        return f"{_show(low)}{unit} or more"
    return f"{_show(low)} to {_show(high)}{unit}"


def _show_age(seconds: float) -> str:
    for name, size in (("day", 86_400), ("hour", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}s"
    return f"{seconds / 60:.0f} minutes"


def _sentence(quantity: Quantity, limits: Range, value: float, rate: float, features: list[float]) -> str:
    outside_best, outside_vital, _, hour_ahead, swinging, suspect, _, _ = features
    name, (low, high) = ("vital", limits[2:]) if outside_vital else ("best", limits[:2])
    where, unit = ("below" if value < low else "above") if outside_best else "in", quantity.unit
    said = f"{quantity.label} {_show(value)}{unit} is {where} its {name} range ({_show_range(low, high, unit)})"
    if swinging or (hour_ahead > outside_best and not outside_vital):
        said += f", and {'rises' if rate > 0 else 'falls'} by {_show(abs(rate))}{unit} an hour"
    return f"{said}; the reading is suspect" if suspect else said


def _judge(name: str, reading: dict[str, Any], limits: Range, field: str) -> _Judged:
    quantity = QUANTITIES[name]
    quality = reading.get("quality")
    if quality not in QUALITIES:
        raise ScriptError("READINGS.INVALID", f"{field}.quality must be one of {QUALITIES}", f"{field}.quality")
    age = _number(reading.get("ageSeconds"), f"{field}.ageSeconds")
    if age < 0:
        raise ScriptError("READINGS.INVALID", f"{field}.ageSeconds must not be negative", f"{field}.ageSeconds")
    if quality == "bad" or reading.get("value") is None:
        return _Judged(_DARK["bad"], -1.0, f"there is no {quantity.label} reading that can be trusted")
    limit = _number(reading.get("staleAfterSeconds", quantity.stale_after_seconds), f"{field}.staleAfterSeconds")
    if age > limit:
        return _Judged(_DARK["stale"], -1.0, f"the last {quantity.label} reading is {_show_age(age)} old")
    value = _number(reading["value"], f"{field}.value")
    given = reading.get("ratePerHour")
    rate = 0.0 if given is None else _number(given, f"{field}.ratePerHour")
    now, ahead = strain(quantity, limits, value, rate)
    swinging = swing(quantity, limits, rate)
    features = [
        min(now, 1.0),
        float(now > 1.0),
        max(now - 1.0, 0.0),
        # Beyond two it is soon as bad as it gets, and a noisy rate must not decide.
        min(ahead, 2.0),
        swinging,
        float(quality == "suspect"),
        0.0,
        0.0,
    ]
    return _Judged(features, now + ahead + swinging, _sentence(quantity, limits, value, rate, features))


def _consider(request: dict[str, Any]) -> tuple[dict[str, list[_Judged]], list[str]]:
    readings, ranges = request.get("readings"), request.get("ranges")
    if not isinstance(readings, list):
        raise ScriptError("READINGS.INVALID", "readings must be a list", "readings")
    if not readings:
        raise ScriptError("READINGS.EMPTY", "there is no reading to judge", "readings")
    if not isinstance(ranges, dict):
        raise ScriptError("RANGES.INVALID", "ranges must be an object, by quantity", "ranges")
    judged: dict[str, list[_Judged]] = {}
    ignored: list[str] = []
    limits: dict[str, Range] = {}
    for index, reading in enumerate(readings):
        field = f"readings.{index}"
        if not isinstance(reading, dict) or not isinstance(name := reading.get("quantity"), str):
            raise ScriptError("READINGS.INVALID", f"{field} must be an object with a quantity", field)
        if name not in QUANTITIES or name not in ranges:
            if name not in ignored:
                ignored.append(name)
            continue
        if name not in limits:
            limits[name] = read_range(ranges[name], f"ranges.{name}")
        judged.setdefault(name, []).append(_judge(name, reading, limits[name], field))
    if not judged:
        raise ScriptError("READINGS.UNKNOWN", "none of the readings is one that the model can judge", "readings")
    return judged, ignored


def _features(judged: dict[str, list[_Judged]]) -> list[float]:
    features = [0.0] * len(FEATURES)
    for name, each in judged.items():
        worst = each[0].features if len(each) == 1 else [max(c) for c in zip(*(j.features for j in each), strict=True)]
        start = _ROW[name] * _KINDS
        features[start : start + _KINDS] = worst
    features[_BLIND] = float(all(one.urgency < 0 for each in judged.values() for one in each))
    return features


def feature_vector(request: dict[str, Any]) -> list[float]:
    """Give the features of a request, in the order of ``FEATURES``: what the training learns from."""
    return _features(_consider(request)[0])


def _reason(each: list[_Judged]) -> str:
    if len(each) == 1:
        return each[0].sentence
    sentences = [one.sentence for one in each if one.urgency < 0]
    if readable := [one for one in each if one.urgency >= 0]:
        sentences.insert(0, max(readable, key=lambda one: one.urgency).sentence)
    return "; ".join(dict.fromkeys(sentences))


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


class Perceptron:
    """Features to a score through at most one hidden layer, and the score to cumulative probabilities.

    ``hidden = sigmoid(x · hiddenWeights + hiddenBias)``, ``score = hidden · scoreWeights`` and
    ``P(level >= k) = sigmoid(score - thresholds[k - 1])``. All weights must be non-negative and the thresholds rise,
    or ``ValueError``: the promise that worse never reads as better hangs on it. Without hidden weights the score is
    ``x · scoreWeights``, the single layer that the training compares with.
    """

    def __init__(self, model: dict[str, Any]) -> None:
        self.version = str(model["version"])
        if tuple(model["features"]) != FEATURES:
            raise ValueError("the weights were trained for other features")
        self.hidden_weights = np.array(model["hiddenWeights"]) if "hiddenWeights" in model else None
        self.hidden_bias = np.array(model.get("hiddenBias", []))
        self.score_weights = np.array(model["scoreWeights"])
        self.thresholds = np.array(model["thresholds"])
        hidden_falls = self.hidden_weights is not None and (self.hidden_weights < 0).any()
        if hidden_falls or (self.score_weights < 0).any() or (np.diff(self.thresholds) <= 0).any():
            raise ValueError("a negative weight or falling threshold would let a worse state read as a better one")

    def at_least(self, x: Array) -> Array:
        """Give P(advisory or worse), P(warning or worse) and P(critical) for each row of features."""
        if self.hidden_weights is not None:
            x = _sigmoid(x @ self.hidden_weights + self.hidden_bias)
        return _sigmoid((x @ self.score_weights)[:, None] - self.thresholds)

    def probabilities(self, x: Array) -> Array:
        """Give the probability of each level for each row of features."""
        at_least = self.at_least(x)
        edges = np.ones((len(x), len(LEVELS) + 1))
        edges[:, 1:-1] = at_least
        edges[:, -1] = 0.0
        return edges[:, :-1] - edges[:, 1:]


def most_probable(probabilities: Array) -> npt.NDArray[np.intp]:
    """Pick a level for each row; of two alike the worse.

    It rises with the score, for a cumulative logit has a monotone likelihood ratio.
    """
    worst_first: npt.NDArray[np.intp] = np.argmax(probabilities[:, ::-1], axis=1)
    return len(LEVELS) - 1 - worst_first


@cache
def model() -> Perceptron:
    """Load the committed weights, once; not on import, for the training that writes them imports this module."""
    return Perceptron(json.loads(WEIGHTS.read_text()))


def answer(request: dict[str, Any], _payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Classify one state of one system; shapes, units and errors as at the top."""
    judged, ignored = _consider(request)
    masks = _AS_IF_WELL[[_ROW[name] for name in judged]]
    probabilities = model().probabilities(np.vstack((_EVERYTHING, masks)) * _features(judged))
    severity = probabilities @ _SEVERITIES
    contributions: list[dict[str, Any]] = [
        # Rounded so that the last bit of a sum, which depends on the machine, does not decide the order.
        {"quantity": name, "contribution": round(float(severity[0] - without), 9) + 0.0, "reason": _reason(each)}
        for (name, each), without in zip(judged.items(), severity[1:], strict=True)
    ]
    contributions.sort(key=lambda entry: -abs(entry["contribution"]))
    return {
        "level": LEVELS[int(most_probable(probabilities[:1])[0])],
        "probabilities": dict(zip(LEVELS, probabilities[0].tolist(), strict=True)),
        "contributions": contributions,
        "ignored": ignored,
        "modelVersion": model().version,
    }, b""


if __name__ == "__main__":
    model()
    run("perceptron_notifications", answer)
