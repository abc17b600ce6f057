"""Propose what the actuators should do: a Mamdani fuzzy controller, read from a JSON definition.

Request::

    {"inputs": {"water-temperature": 26.1, "ph": 6.8, ...},   at least one; each in the unit of the definition
     "ranges": {"water-temperature": {"best": [27, 30], "vital": [14, 36]}, ...},      optional; null is open
     "controller": "aquaponics"}                                                       optional

Reply::

    {"controller": "aquaponics", "version": "1",
     "outputs": [{"output": "aeration", "value": 0..100 or null, "unit": "%"}, ...],
     "inputs":  [{"input": "ph", "value": 6.8, "clipped": false, "terms": {"low": 0.0, ...}}],
     "rules":   [{"rule": "oxygen-low-aerate", "strength": 0.4, "reason": "..."}, ...]   fired ones, strongest first
     "missing": ["water-level"]}                                                inputs that the request left out

An output for which no rule fired is null, never a number. An input that is not given has no membership in any
term: a rule that needs it does not fire, and of a rule with alternatives only the others count. (There is no
"not", by which the unknown could fire a rule.) An input outside of its universe is clipped to the edge and says
so; its ``value`` is the one that was used. A range for a quantity that is no input is ignored, so that a whole
profile may be passed. ``un-ionised-ammonia`` is NH3 in mg/L of nitrogen; the caller derives it.

Errors: CONTROLLER.UNKNOWN, INPUT.MISSING, INPUT.EMPTY, INPUT.UNKNOWN, INPUT.NOT_A_NUMBER, INPUT.NOT_FINITE,
RANGES.MALFORMED, RANGES.NOT_SORTED; and DEFINITION.* for a definition that cannot be compiled.

Method (Mamdani and Assilian 1975): membership in trapezoids, AND is min, OR is max, a rule clips the terms it
leads to, terms are joined by max, and the output is the centroid of the joined curve. The curve is what
scikit-fuzzy 0.5 draws: sampled on the universe and at each point where a term is clipped, straight in between.
A centroid never reaches the end of its universe, so an output's universe may go beyond its limits, to which the
centroid is then clamped: off is 0, not nearly 0.
"""

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from aquaponia.worker import ScriptError, run

DEFAULT_CONTROLLER = "aquaponics"
COMPILED_CONTROLLERS = 32
"""How many compiled controllers are kept, one for each set of ranges; about 0.3 MB each."""

_ANCHORS = ("vitalLow", "bestLow", "bestHigh", "vitalHigh")
_OPEN = (-math.inf, -math.inf, math.inf, math.inf)

Anchors = tuple[float, ...]
"""A range as vitalLow, bestLow, bestHigh, vitalHigh; an open limit is infinite."""


class OutputValue(TypedDict):
    output: str
    value: float | None
    unit: str


class InputValue(TypedDict):
    input: str
    value: float
    clipped: bool
    terms: dict[str, float]


class FiredRule(TypedDict):
    rule: str
    strength: float
    reason: str


class Evaluation(TypedDict):
    """The reply, ready for JSON."""

    controller: str
    version: str
    outputs: list[OutputValue]
    inputs: list[InputValue]
    rules: list[FiredRule]
    missing: list[str]


# --- The definition: what the JSON says, checked ---------------------------------------------------------------


@dataclass(frozen=True)
class Universe:
    """Evenly spaced samples from ``low`` to ``high``, both included."""

    low: float
    high: float
    points: int

    @classmethod
    def parse(cls, data: object, field: str) -> "Universe":
        low, high = (_number(_get(data, key, field), f"{field}.{key}") for key in ("from", "to"))
        points = _get(data, "points", field)
        if not isinstance(points, int) or points < 2 or low >= high:
            raise ScriptError("DEFINITION.MALFORMED", "a universe needs from < to and two points or more", field)
        return cls(low, high, points)

    def samples(self) -> NDArray[np.float64]:
        return np.linspace(self.low, self.high, self.points)


@dataclass(frozen=True)
class Breakpoint:
    """A number (no anchor), or ``anchor + share * (toward - anchor) + plus``."""

    plus: float
    anchor: str | None = None
    toward: str | None = None
    share: float = 0.0

    @classmethod
    def parse(cls, data: object, field: str) -> "Breakpoint":
        if isinstance(data, str):
            data = {"anchor": data}
        if not isinstance(data, dict):
            return cls(_number(data, field))
        anchor = _anchor(_get(data, "anchor", field), field)
        toward = _anchor(data.get("toward", anchor), field)
        plus, share = (_number(data.get(key, 0), f"{field}.{key}") for key in ("plus", "share"))
        return cls(plus, anchor, toward, share)

    def resolve(self, anchors: Mapping[str, float], universe: Universe) -> float:
        """Give the number; what hangs on an anchor stays within the universe, at whose edge an open limit lies."""
        if self.anchor is None or self.toward is None:
            return self.plus
        start, end = (min(max(anchors[name], universe.low), universe.high) for name in (self.anchor, self.toward))
        point = start + self.share * (end - start) + self.plus
        if math.isinf(anchors[self.anchor]) and start == end:
            point = start  # open: to move infinity by a little leaves it where it was
        return min(max(point, universe.low), universe.high)


@dataclass(frozen=True)
class Variable:
    """An input or an output: its universe and its terms, each four breakpoints."""

    name: str
    unit: str
    universe: Universe
    terms: dict[str, tuple[Breakpoint, ...]]
    ranges: Anchors
    limits: tuple[float, float]

    @classmethod
    def parse(cls, name: str, data: object, field: str) -> "Variable":
        universe = Universe.parse(_get(data, "universe", field), f"{field}.universe")
        terms = {}
        for term, points in _items(_get(data, "terms", field), f"{field}.terms"):
            where = f"{field}.terms.{term}"
            if not isinstance(points, list) or len(points) != 4:
                raise ScriptError("DEFINITION.MALFORMED", "a term is a trapezoid of four breakpoints", where)
            terms[term] = tuple(Breakpoint.parse(point, f"{where}[{i}]") for i, point in enumerate(points))
        optional = dict(_items(data, field))
        ranges = parse_range(optional["ranges"], f"{field}.ranges") if "ranges" in optional else _OPEN
        limits = optional.get("limits", [universe.low, universe.high])
        if not isinstance(limits, list) or len(limits) != 2:
            raise ScriptError("DEFINITION.MALFORMED", "limits are [lowest, highest]", f"{field}.limits")
        low, high = (_number(limit, f"{field}.limits") for limit in limits)
        return cls(name, str(_get(data, "unit", field)), universe, terms, ranges, (low, high))

    @property
    def is_anchored(self) -> bool:
        return any(point.anchor for points in self.terms.values() for point in points)

    def resolve(self, anchors: Anchors) -> dict[str, tuple[float, ...]]:
        """Give each term's breakpoints as numbers, in order (equal ones make a vertical edge)."""
        named = dict(zip(_ANCHORS, anchors, strict=True))
        resolved = {}
        for term, points in self.terms.items():
            numbers = tuple(point.resolve(named, self.universe) for point in points)
            if any(a > b for a, b in pairwise(numbers)):
                message = f"the breakpoints of {self.name} {term} are not in order: {list(numbers)}"
                raise ScriptError("DEFINITION.NOT_SORTED", message, f"{self.name}.terms.{term}")
            resolved[term] = numbers
        return resolved


@dataclass(frozen=True)
class Rule:
    """Fires as strongly as the best of its alternatives, each as strong as the weakest of its (input, term)."""

    name: str
    alternatives: tuple[tuple[tuple[str, str], ...], ...]
    consequents: tuple[tuple[str, str], ...]
    reason: str

    @classmethod
    def parse(cls, data: object, field: str, inputs: Mapping[str, Variable], outputs: Mapping[str, Variable]) -> "Rule":
        when = _get(data, "when", field)
        alternatives: list[tuple[tuple[str, str], ...]] = []
        for condition in when if isinstance(when, list) else [when]:
            # A list of terms means any of them, so it multiplies out into further alternatives.
            choices = []
            for name, terms in _items(condition, f"{field}.when"):
                listed = terms if isinstance(terms, list) and terms else [terms]
                choices.append([_known(inputs, name, term, f"{field}.when", "INPUT") for term in listed])
            alternatives.extend(product(*choices))
        if not alternatives:
            raise ScriptError("DEFINITION.MALFORMED", "a rule needs a condition", f"{field}.when")
        consequents = tuple(
            _known(outputs, name, term, f"{field}.then", "OUTPUT")
            for name, term in _items(_get(data, "then", field), f"{field}.then")
        )
        name, reason = str(_get(data, "rule", field)), str(_get(data, "reason", field))
        return cls(name, tuple(alternatives), consequents, reason)


@dataclass(frozen=True)
class Definition:
    """A rule base: variables and rules, with breakpoints that may still hang on ranges."""

    name: str
    version: str
    inputs: dict[str, Variable]
    outputs: dict[str, Variable]
    rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, data: object) -> "Definition":
        """Read what controllers/aquaponics.json shows by example; its $comment says how breakpoints work."""
        inputs, outputs = (
            {name: Variable.parse(name, entry, f"{kind}.{name}") for name, entry in _items(_get(data, kind), kind)}
            for kind in ("inputs", "outputs")
        )
        for name, output in outputs.items():
            if output.is_anchored:
                message = "only an input has a range to hang breakpoints on"
                raise ScriptError("DEFINITION.UNKNOWN_ANCHOR", message, f"outputs.{name}.terms")
        listed = _get(data, "rules")
        if not isinstance(listed, list) or not listed:
            raise ScriptError("DEFINITION.MALFORMED", "rules must be a list of at least one", "rules")
        rules = tuple(Rule.parse(entry, f"rules[{i}]", inputs, outputs) for i, entry in enumerate(listed))
        if len({rule.name for rule in rules}) < len(rules):
            raise ScriptError("DEFINITION.DUPLICATE_RULE", "two rules have the same name", "rules")
        return cls(str(_get(data, "controller")), str(_get(data, "version")), inputs, outputs, rules)


def parse_range(data: object, field: str) -> Anchors:
    """Read {"best": [low, high], "vital": [low, high]}, where null is open and best lies within vital."""
    anchors = list(_OPEN)
    for key, positions in (("best", (1, 2)), ("vital", (0, 3))):
        limits = data.get(key) if isinstance(data, dict) else None
        if not isinstance(limits, list) or len(limits) != 2:
            raise ScriptError("RANGES.MALFORMED", "a range is {best: [low, high], vital: [low, high]}", field)
        for limit, position in zip(limits, positions, strict=True):
            if limit is None:
                continue
            if not isinstance(limit, int | float) or isinstance(limit, bool) or not _is_finite(limit):
                raise ScriptError("RANGES.MALFORMED", "a limit is a finite number or null", field)
            anchors[position] = float(limit)
    if not anchors[0] <= anchors[1] <= anchors[2] <= anchors[3]:
        raise ScriptError("RANGES.NOT_SORTED", "the best range must lie within the vital one", field)
    return tuple(anchors)


def _anchor(name: object, field: str) -> str:
    if not isinstance(name, str) or name not in _ANCHORS:
        raise ScriptError("DEFINITION.UNKNOWN_ANCHOR", f"{name!r} is none of {', '.join(_ANCHORS)}", field)
    return name


def _get(data: object, key: str, field: str | None = None) -> object:
    if not isinstance(data, dict) or key not in data:
        raise ScriptError("DEFINITION.MALFORMED", f"{key} is missing", f"{field}.{key}" if field else key)
    return data[key]


def _items(data: object, field: str) -> list[tuple[str, Any]]:
    if not isinstance(data, dict) or not data:
        raise ScriptError("DEFINITION.MALFORMED", "an object with at least one entry is needed", field)
    return list(data.items())


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer of more than 308 digits
        return False


def _number(data: object, field: str) -> float:
    if not isinstance(data, int | float) or isinstance(data, bool) or not _is_finite(data):
        raise ScriptError("DEFINITION.MALFORMED", f"{data!r} is not a finite number", field)
    return float(data)


def _known(variables: Mapping[str, Variable], name: str, term: object, field: str, kind: str) -> tuple[str, str]:
    if name not in variables:
        raise ScriptError(f"DEFINITION.UNKNOWN_{kind}", f"{name} is not defined", f"{field}.{name}")
    if not isinstance(term, str) or term not in variables[name].terms:
        raise ScriptError("DEFINITION.UNKNOWN_TERM", f"{name} has no term {term!r}", f"{field}.{name}")
    return name, term


# --- The controller: a definition compiled for one set of ranges -----------------------------------------------


def trapezoid(x: NDArray[np.float64], points: Sequence[float]) -> NDArray[np.float64]:
    """Membership of each x: 0 up to a, rising to 1 at b, 1 to c, falling to 0 at d; a vertical edge belongs to it."""
    a, b, c, d = points
    rising = np.where(x >= b, 1.0, np.maximum((x - a) / (b - a), 0.0) if a < b else 0.0)
    falling = np.where(x <= c, 1.0, np.maximum((d - x) / (d - c), 0.0) if c < d else 0.0)
    return np.minimum(rising, falling)


class _Fuzzifier:
    """An input's terms, sampled; membership is read off linearly between samples.

    Plain lists, because a call into numpy costs more than the handful of terms does.
    """

    def __init__(self, variable: Variable, anchors: Anchors) -> None:
        x = variable.universe.samples()
        self.name = variable.name
        self.terms = tuple(variable.terms)
        self.low, self.high = variable.universe.low, variable.universe.high
        self._x = x.tolist()
        curves = [trapezoid(x, points) for points in variable.resolve(anchors).values()]
        self._rows = [tuple(row) for row in np.transpose(curves).tolist()]

    def memberships(self, value: float) -> list[float]:
        x = self._x
        left = min(bisect_right(x, value) - 1, len(x) - 2)
        part = (value - x[left]) / (x[left + 1] - x[left])
        return [p + part * (q - p) for p, q in zip(self._rows[left], self._rows[left + 1], strict=True)]


class _Curve:
    """One output term, sampled, and where a given height cuts it."""

    def __init__(self, x: NDArray[np.float64], points: Sequence[float]) -> None:
        y = trapezoid(x, points)
        peak = int(y.argmax())
        self.y: list[float] = y.tolist()
        self.peak = self.y[peak]
        self._rising = self.y[: peak + 1]
        self._falling = self.y[: peak - 1 if peak else None : -1]

    def crossings(self, height: float) -> list[tuple[int, float]]:
        """Give (segment, part of the way through it) for each edge that the height cuts, at most two."""
        if height >= self.peak:
            return []
        y = self.y
        found = []
        if right := bisect_left(self._rising, height):
            left = right - 1
            found.append((left, (height - y[left]) / (y[right] - y[left])))
        if beyond := bisect_left(self._falling, height):
            left = len(y) - 1 - beyond
            found.append((left, (height - y[left]) / (y[left + 1] - y[left])))
        return found


class Controller:
    """A definition compiled for one set of ranges: quick to evaluate, slow to make (about 2 ms)."""

    def __init__(self, definition: Definition, ranges: Mapping[str, Anchors] | None = None) -> None:
        """Compile ``definition``; ``ranges`` takes the place of its own, input by input."""
        self.definition = definition
        chosen = {name: variable.ranges for name, variable in definition.inputs.items()} | dict(ranges or {})
        self._fuzzifiers = [_Fuzzifier(variable, chosen[name]) for name, variable in definition.inputs.items()]
        inputs = [(name, term) for name, variable in definition.inputs.items() for term in variable.terms]
        input_index = {key: i for i, key in enumerate(inputs)}

        # Outputs lie side by side in arrays of one shape, filled up with zeros, so that numpy is called once for all.
        outputs = list(definition.outputs.values())
        terms = max(len(output.terms) for output in outputs)
        points = max(output.universe.points for output in outputs)
        self._surfaces = np.zeros((len(outputs), terms, points))
        self._weights = np.zeros((len(outputs), points, 2))
        self._samples: list[list[float]] = []
        self._curves: list[list[_Curve]] = []
        output_index = {}
        for o, output in enumerate(outputs):
            x = output.universe.samples()
            curves = [_Curve(x, term) for term in output.resolve(_OPEN).values()]
            self._samples.append(x.tolist())
            self._curves.append(curves)
            self._weights[o, : len(x)] = _integration_weights(x)
            for k, (term, curve) in enumerate(zip(output.terms, curves, strict=True)):
                self._surfaces[o, k, : len(x)] = curve.y
                output_index[output.name, term] = (o, k)

        # All alternatives of all rules, one to a row, filled up by repeating a term, which leaves the min as it is.
        alternatives = [alternative for rule in definition.rules for alternative in rule.alternatives]
        longest = max(map(len, alternatives))
        self._alternatives = np.array(
            [[input_index[key] for key in row + row[:1] * (longest - len(row))] for row in alternatives]
        )
        self._first_alternatives = np.cumsum([0] + [len(rule.alternatives) for rule in definition.rules[:-1]])
        self._consequents = [[output_index[key] for key in rule.consequents] for rule in definition.rules]
        self._no_cuts = [[0.0] * terms for _ in outputs]

    def evaluate(self, inputs: Mapping[str, float]) -> Evaluation:
        """Propose a value for each output; ``inputs`` are finite numbers by name, in the definition's units."""
        if not inputs:
            raise ScriptError("INPUT.EMPTY", "at least one input is needed", "inputs")
        for name, value in inputs.items():
            if name not in self.definition.inputs:
                raise ScriptError("INPUT.UNKNOWN", f"{name} is no input of this controller", f"inputs.{name}")
            if type(value) not in (int, float) and not isinstance(value, np.floating):
                raise ScriptError("INPUT.NOT_A_NUMBER", f"{name} is not a number", f"inputs.{name}")
            if not _is_finite(value):
                raise ScriptError("INPUT.NOT_FINITE", f"{name} is not finite", f"inputs.{name}")

        memberships: list[float] = []
        seen: list[InputValue] = []
        missing: list[str] = []
        for fuzzifier in self._fuzzifiers:
            name = fuzzifier.name
            if name not in inputs:
                missing.append(name)
                memberships += [0.0] * len(fuzzifier.terms)
                continue
            given = float(inputs[name])
            value = min(max(given, fuzzifier.low), fuzzifier.high)
            degrees = fuzzifier.memberships(value)
            memberships += degrees
            terms = dict(zip(fuzzifier.terms, degrees, strict=True))
            seen.append({"input": name, "value": value, "clipped": value != given, "terms": terms})

        fired: list[FiredRule] = []
        cuts = [row[:] for row in self._no_cuts]
        held = np.minimum.reduce(np.array(memberships)[self._alternatives], axis=1)
        strengths = np.maximum.reduceat(held, self._first_alternatives).tolist()
        for rule, strength, consequents in zip(self.definition.rules, strengths, self._consequents, strict=True):
            if strength > 0.0:
                fired.append({"rule": rule.name, "strength": strength, "reason": rule.reason})
                for o, k in consequents:
                    cuts[o][k] = max(cuts[o][k], strength)
        fired.sort(key=lambda entry: -entry["strength"])

        values = self._centroids(cuts)
        outputs: list[OutputValue] = [
            {"output": output.name, "value": value, "unit": output.unit}
            for output, value in zip(self.definition.outputs.values(), values, strict=True)
        ]
        return {
            "controller": self.definition.name,
            "version": self.definition.version,
            "outputs": outputs,
            "inputs": seen,
            "rules": fired,
            "missing": missing,
        }

    def _centroids(self, cuts: list[list[float]]) -> list[float | None]:
        """Centroid of each output's terms, clipped at ``cuts`` and joined by max, then held to the limits."""
        joined = np.maximum.reduce(np.minimum(self._surfaces, np.array(cuts)[:, :, None]), axis=1)
        integrals = np.matmul(joined[:, None, :], self._weights)[:, 0].tolist()
        values: list[float | None] = []
        for o, output in enumerate(self.definition.outputs.values()):
            area, moment = integrals[o]
            if area <= 0.0:
                values.append(None)
                continue
            active = [(height, curve) for height, curve in zip(cuts[o], self._curves[o], strict=False) if height > 0.0]
            extra_area, extra_moment = _refinement(self._samples[o], active)
            low, high = output.limits
            values.append(min(max((moment + extra_moment) / (area + extra_area), low), high))
        return values


def _integration_weights(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights w such that ``y @ w`` is the area and the first moment below the straight pieces through (x, y)."""
    width = np.diff(x)
    weights = np.zeros((len(x), 2))
    weights[:-1, 0] += width / 2
    weights[1:, 0] += width / 2
    weights[:-1, 1] += width * (2 * x[:-1] + x[1:]) / 6
    weights[1:, 1] += width * (x[:-1] + 2 * x[1:]) / 6
    return weights


def _refinement(x: Sequence[float], active: Sequence[tuple[float, _Curve]]) -> tuple[float, float]:
    """Area and moment that the points where terms are clipped add to the curve through the samples alone.

    Only a segment that holds such a point differs, so only those, two for a term at most, are gone through.
    """
    clipped: dict[int, list[float]] = {}
    for height, curve in active:
        for left, part in curve.crossings(height):
            clipped.setdefault(left, []).append(part)
    area = moment = 0.0
    for left, parts in clipped.items():
        lines = []
        first = last = 0.0
        for height, curve in active:
            p, q = curve.y[left], curve.y[left + 1]
            if p > 0.0 or q > 0.0:
                lines.append((height, p, q - p))
                first = max(first, min(height, p))
                last = max(last, min(height, q))
        parts.sort()
        for part, before, after in zip(parts, [0.0, *parts], [*parts[1:], 1.0], strict=False):
            # Height above the chord from sample to sample, times the triangle from neighbour to neighbour.
            top = max([min(height, p + part * slope) for height, p, slope in lines])
            triangle = (top - first - part * (last - first)) * (after - before) / 2
            width = x[left + 1] - x[left]
            area += width * triangle
            moment += width * triangle * (x[left] + width * (before + part + after) / 3)
    return area, moment


# --- Requests --------------------------------------------------------------------------------------------------


def _load_definitions() -> dict[str, Definition]:
    """Read every definition beside this file, so that a request can name only what is there, never a path."""
    found = sorted((Path(__file__).parent / "controllers").glob("*.json"))
    return {path.stem: Definition.parse(json.loads(path.read_text(encoding="utf-8"))) for path in found}


DEFINITIONS = _load_definitions()


@lru_cache(maxsize=COMPILED_CONTROLLERS)
def compiled(name: str, ranges: tuple[tuple[str, Anchors], ...] = ()) -> Controller:
    """Compile a definition for these ranges, or give the one that was compiled before."""
    return Controller(DEFINITIONS[name], dict(ranges))


def controller_for(name: object, ranges: object) -> Controller:
    """Give the controller for a request's ``controller`` and ``ranges``."""
    if not isinstance(name, str) or name not in DEFINITIONS:
        raise ScriptError("CONTROLLER.UNKNOWN", f"there is no controller {name!r}", "controller")
    if not isinstance(ranges, dict):
        raise ScriptError("RANGES.MALFORMED", "ranges must be an object", "ranges")
    # In the definition's order, and without what makes no difference, so that equal ranges are compiled once.
    chosen = tuple(
        (quantity, parse_range(ranges[quantity], f"ranges.{quantity}"))
        for quantity, variable in DEFINITIONS[name].inputs.items()
        if quantity in ranges and variable.is_anchored
    )
    return compiled(name, chosen)


def answer(request: dict[str, Any], _payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Evaluate one request."""
    inputs = request.get("inputs")
    if not isinstance(inputs, dict):
        raise ScriptError("INPUT.MISSING", "inputs must be an object of numbers by name", "inputs")
    controller = controller_for(request.get("controller", DEFAULT_CONTROLLER), request.get("ranges", {}))
    return dict(controller.evaluate(inputs)), b""


compiled(DEFAULT_CONTROLLER).evaluate({"water-temperature": 20.0})  # the first request should not be the slow one

if __name__ == "__main__":
    run("fuzzy_controller", answer)
