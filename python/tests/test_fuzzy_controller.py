"""The fuzzy controller against scikit-fuzzy, against its contract, and against what a fish farmer knows."""

import json
import subprocess
import sys
from functools import reduce
from itertools import product
from operator import and_, or_
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skfuzzy import control, trapmf

from aquaponia import fuzzy_controller
from aquaponia.fuzzy_controller import DEFINITIONS, Anchors, Controller, Definition, Evaluation, parse_range
from aquaponia.worker import ScriptError

PYTHON = Path(__file__).parent.parent
CONTRACTS = sorted((PYTHON.parent / "test" / "contracts" / "fuzzy_controller").glob("*.json"))
PROFILES = json.loads((PYTHON.parent / "src" / "systems" / "profiles.json").read_text(encoding="utf-8"))["species"]
DEFAULT = DEFINITIONS["aquaponics"]
DEFAULT_JSON = json.loads((PYTHON / "aquaponia" / "controllers" / "aquaponics.json").read_text(encoding="utf-8"))
FINE = {
    "water-temperature": 24.0,
    "dissolved-oxygen": 7.0,
    "ph": 6.8,
    "un-ionised-ammonia": 0.01,
    "water-level": 98.0,
}
TOLERANCE = 1e-6

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:skfuzzy")


def ranges_of(species: str) -> dict[str, Any]:
    ranges: dict[str, Any] = PROFILES[species]["ranges"]
    return ranges


def ask(inputs: dict[str, Any], **rest: object) -> dict[str, Any]:
    return fuzzy_controller.answer({"inputs": inputs, **rest}, b"")[0]


def values(reply: dict[str, Any] | Evaluation) -> dict[str, float | None]:
    return {entry["output"]: entry["value"] for entry in reply["outputs"]}


# --- Agreement with scikit-fuzzy -------------------------------------------------------------------------------


class Oracle:
    """The same definition in scikit-fuzzy's control API."""

    def __init__(self, definition: Definition, ranges: dict[str, Anchors] | None = None) -> None:
        chosen = {name: variable.ranges for name, variable in definition.inputs.items()} | (ranges or {})
        antecedents, consequents = {}, {}
        for name, variable in definition.inputs.items():
            antecedents[name] = control.Antecedent(variable.universe.samples(), name)
            for term, points in variable.resolve(chosen[name]).items():
                antecedents[name][term] = trapmf(antecedents[name].universe, points)
        for name, variable in definition.outputs.items():
            consequents[name] = control.Consequent(variable.universe.samples(), name)
            for term, points in variable.resolve(variable.ranges).items():
                consequents[name][term] = trapmf(consequents[name].universe, points)
        rules = [
            control.Rule(
                reduce(or_, [reduce(and_, [antecedents[i][t] for i, t in row]) for row in rule.alternatives]),
                [consequents[o][t] for o, t in rule.consequents],
                label=rule.name,
            )
            for rule in definition.rules
        ]
        self.definition = definition
        self.simulation = control.ControlSystemSimulation(control.ControlSystem(rules))
        self.used = {name for rule in definition.rules for row in rule.alternatives for name, _ in row}

    def evaluate(self, inputs: dict[str, float]) -> dict[str, float | None]:
        for name in self.used:
            self.simulation.input[name] = inputs[name]
        self.simulation.output.clear()  # for inputs that it has seen before, an output without a rule stays as it was
        self.simulation.compute()
        found: dict[str, float | None] = {}
        for name, output in self.definition.outputs.items():
            value = self.simulation.output.get(name)
            found[name] = None if value is None else float(np.clip(value, *output.limits))
        return found


def worst_difference(ours: Controller, oracle: Oracle, rows: list[dict[str, float]]) -> float:
    worst = 0.0
    for inputs in rows:
        mine, theirs = values(ours.evaluate(inputs)), oracle.evaluate(inputs)
        for name, expected in theirs.items():
            value = mine[name]
            assert (value is None) == (expected is None), (inputs, name, value, expected)
            if value is not None and expected is not None:
                worst = max(worst, abs(value - expected))
    return worst


def random_inputs(definition: Definition, count: int, random: np.random.Generator) -> list[dict[str, float]]:
    """Mostly within each universe, some outside of it, some exactly on a sample."""
    rows = []
    for _ in range(count):
        row = {}
        for name, variable in definition.inputs.items():
            low, high = variable.universe.low, variable.universe.high
            width = high - low
            row[name] = float(random.uniform(low - 0.05 * width, high + 0.05 * width))
            if random.random() < 0.2:
                row[name] = float(random.choice(variable.universe.samples()))
        rows.append(row)
    return rows


def grid_27() -> Definition:
    terms = {"low": [0, 0, 0, 50], "medium": [0, 50, 50, 100], "high": [50, 100, 100, 100]}
    variable = {"unit": "%", "universe": {"from": 0, "to": 100, "points": 101}, "terms": terms}
    names = list(terms)
    return Definition.parse(
        {
            "controller": "grid",
            "version": "1",
            "inputs": {f"input-{j}": variable for j in range(3)},
            "outputs": {f"output-{j}": variable for j in range(3)},
            "rules": [
                {
                    "rule": f"rule-{i}",
                    "when": {f"input-{j}": names[k] for j, k in enumerate(ks)},
                    "then": {f"output-{j}": names[(sum(ks) + j) % 3] for j in range(3)},
                    "reason": "test",
                }
                for i, ks in enumerate(product(range(3), repeat=3))
            ],
        }
    )


def random_definition(random: np.random.Generator) -> Definition:
    def variable() -> dict[str, Any]:
        low, width = float(random.uniform(-50, 50)), float(random.uniform(0.5, 200))
        terms = {}
        for i in range(int(random.integers(1, 5))):
            points = np.sort(random.uniform(low - 0.2 * width, low + 1.2 * width, 4))
            shape = random.integers(0, 5)
            if shape == 1:
                points[1] = points[2]  # a triangle
            elif shape == 2:
                points[0] = points[1]  # a vertical edge
            elif shape == 3:
                points[2] = points[3]
            elif shape == 4:
                points[:2] = low  # a shoulder
            terms[f"term-{i}"] = sorted(points.tolist())
        universe = {"from": low, "to": low + width, "points": int(random.integers(2, 60))}
        return {"unit": "1", "universe": universe, "terms": terms}

    inputs = {f"input-{i}": variable() for i in range(int(random.integers(1, 5)))}
    outputs = {f"output-{i}": variable() for i in range(int(random.integers(1, 4)))}

    def some(variables: dict[str, Any], choose_many: bool) -> dict[str, Any]:
        names = random.choice(list(variables), size=int(random.integers(1, len(variables) + 1)), replace=False)
        chosen: dict[str, Any] = {}
        for name in names.tolist():
            terms = list(variables[name]["terms"])
            chosen[name] = str(random.choice(terms))
            if choose_many and random.random() < 0.3:
                chosen[name] = terms[: int(random.integers(1, len(terms) + 1))]
        return chosen

    rules = []
    for i in range(int(random.integers(1, 9))):
        alternatives = [some(inputs, choose_many=True) for _ in range(int(random.integers(1, 3)))]
        when = alternatives if random.random() < 0.5 else alternatives[0]
        rules.append({"rule": f"rule-{i}", "when": when, "then": some(outputs, choose_many=False), "reason": "test"})
    return Definition.parse(
        {"controller": "random", "version": "1", "inputs": inputs, "outputs": outputs, "rules": rules}
    )


@pytest.mark.parametrize("species", [None, "nile-tilapia", "rainbow-trout"])
def test_default_definition_agrees_with_scikit_fuzzy(species: str | None) -> None:
    given = {} if species is None else ranges_of(species)
    ranges = {name: parse_range(given[name], name) for name in DEFAULT.inputs if name in given}
    ours, oracle = Controller(DEFAULT, ranges), Oracle(DEFAULT, ranges)
    axes = ([13.2, 16.9, 31.0], [4.3, 5.7], [5.1, 7.0, 9.0], [0.01, 0.031, 0.1], [70.0, 98.0])
    grid = [dict(zip(DEFAULT.inputs, point, strict=True)) for point in product(*axes)]
    random = random_inputs(DEFAULT, 100, np.random.default_rng(7))
    assert worst_difference(ours, oracle, grid + random) < TOLERANCE


def test_27_rules_agree_with_scikit_fuzzy() -> None:
    definition = grid_27()
    ours, oracle = Controller(definition), Oracle(definition)
    grid = [dict(zip(definition.inputs, point, strict=True)) for point in product([0.0, 12.5, 50.0, 68.4], repeat=3)]
    random = random_inputs(definition, 150, np.random.default_rng(8))
    assert worst_difference(ours, oracle, grid + random) < TOLERANCE


@pytest.mark.parametrize("seed", range(60))
def test_random_definitions_agree_with_scikit_fuzzy(seed: int) -> None:
    random = np.random.default_rng(seed)
    definition = random_definition(random)
    rows = random_inputs(definition, 20, random)
    assert worst_difference(Controller(definition), Oracle(definition), rows) < TOLERANCE


# --- What a farmer knows ---------------------------------------------------------------------------------------


def test_heats_tilapia_but_not_trout_at_14_degrees() -> None:
    inputs = FINE | {"water-temperature": 14.0}
    assert values(ask(inputs, ranges=ranges_of("rainbow-trout")))["heating"] == 0.0
    assert values(ask(inputs, ranges=ranges_of("nile-tilapia")))["heating"] == 100.0


def test_feeds_trout_but_not_tilapia_at_16_degrees() -> None:
    inputs = FINE | {"water-temperature": 16.0, "dissolved-oxygen": 9.0}
    assert values(ask(inputs, ranges=ranges_of("rainbow-trout")))["feeding"] == 100.0
    assert values(ask(inputs, ranges=ranges_of("nile-tilapia")))["feeding"] == 0.0


def test_asks_for_little_when_all_is_well() -> None:
    assert values(ask(FINE)) == pytest.approx({"aeration": 20, "heating": 0, "circulation": 60, "feeding": 100})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"dissolved-oxygen": 3.0}, {"aeration": 100, "circulation": 100, "feeding": 0}),
        ({"un-ionised-ammonia": 0.3}, {"aeration": 100, "circulation": 100, "feeding": 0}),
        ({"water-temperature": 10.0}, {"heating": 100, "feeding": 0}),
        ({"water-temperature": 36.0}, {"aeration": 100, "heating": 0, "feeding": 0}),
        ({"water-level": 50.0}, {"circulation": 0, "heating": 0}),
        ({"water-level": 50.0, "water-temperature": 10.0}, {"circulation": 0, "heating": 0}),
        ({"water-level": 50.0, "un-ionised-ammonia": 0.3, "dissolved-oxygen": 3.0}, {"circulation": 0}),
        ({"ph": 4.5}, {"circulation": 100, "feeding": 0}),
        ({"ph": 10.0}, {"feeding": 0}),
    ],
)
def test_reaches_the_ends(change: dict[str, float], expected: dict[str, float]) -> None:
    found = values(ask(FINE | change))
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("species", [None, *PROFILES])
@pytest.mark.parametrize(
    ("quantity", "output", "sign"),
    [
        ("dissolved-oxygen", "aeration", -1),
        ("dissolved-oxygen", "feeding", 1),
        ("water-temperature", "heating", -1),
        ("un-ionised-ammonia", "feeding", -1),
        ("un-ionised-ammonia", "aeration", 1),
        ("un-ionised-ammonia", "circulation", 1),
        ("water-level", "circulation", 1),
        ("water-level", "heating", 1),
    ],
)
def test_trends_are_monotone(species: str | None, quantity: str, output: str, sign: int) -> None:
    controller = fuzzy_controller.controller_for("aquaponics", {} if species is None else ranges_of(species))
    random = np.random.default_rng(3)
    sweep = np.linspace(DEFAULT.inputs[quantity].universe.low, DEFAULT.inputs[quantity].universe.high, 226)
    if quantity == "un-ionised-ammonia":
        sweep = np.linspace(0.0, 0.25, 126)
    plausible = {
        "water-temperature": (8, 38),
        "dissolved-oxygen": (2, 9),
        "ph": (4, 10),
        "un-ionised-ammonia": (0, 0.2),
        "water-level": (50, 110),
    }
    worst = 0.0
    for others in [FINE] + [{k: float(random.uniform(*span)) for k, span in plausible.items()} for _ in range(15)]:
        curve = [values(controller.evaluate(others | {quantity: float(point)}))[output] for point in sweep]
        worst = min(worst, float(np.min(sign * np.diff(np.array(curve, dtype=float)))))
    assert worst >= -TOLERANCE, f"{output} goes the wrong way by {-worst:.3f} %"


# --- Inputs that are missing, clipped or wrong -----------------------------------------------------------------


def test_a_missing_input_fires_nothing_and_is_listed() -> None:
    reply = ask({name: value for name, value in FINE.items() if name != "water-temperature"})
    assert reply["missing"] == ["water-temperature"]
    assert values(reply)["heating"] is None
    assert values(reply)["feeding"] is None
    assert not [entry for entry in reply["rules"] if entry["rule"].startswith("water-")]
    assert "water-temperature" not in [entry["input"] for entry in reply["inputs"]]


def test_of_alternatives_the_known_ones_count() -> None:
    assert "steady-flow" in [entry["rule"] for entry in ask({"ph": 7.0})["rules"]]
    assert "steady-flow" not in [entry["rule"] for entry in ask({"dissolved-oxygen": 7.0})["rules"]]


def test_an_and_with_a_missing_input_does_not_fire() -> None:
    assert "ammonia-raised-ph-high-no-feed" not in [
        entry["rule"] for entry in ask({"un-ionised-ammonia": 0.1})["rules"]
    ]
    assert "ammonia-raised-ph-high-no-feed" in [
        entry["rule"] for entry in ask({"un-ionised-ammonia": 0.1, "ph": 9.0})["rules"]
    ]


def test_clips_to_the_universe_and_says_so() -> None:
    reply = ask(FINE | {"water-temperature": -127.0})
    temperature, ph = reply["inputs"][0], reply["inputs"][2]
    assert (temperature["value"], temperature["clipped"]) == (0.0, True)
    assert (ph["value"], ph["clipped"]) == (6.8, False)
    assert values(reply) == values(ask(FINE | {"water-temperature": 0.0}))


def test_lists_fired_rules_strongest_first() -> None:
    strengths = [entry["strength"] for entry in ask(FINE | {"dissolved-oxygen": 5.3, "ph": 5.6})["rules"]]
    assert strengths == sorted(strengths, reverse=True)
    assert min(strengths) > 0.0


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        ({}, "INPUT.MISSING", "inputs"),
        ({"inputs": [7]}, "INPUT.MISSING", "inputs"),
        ({"inputs": {}}, "INPUT.EMPTY", "inputs"),
        ({"inputs": {"nitrate": 40}}, "INPUT.UNKNOWN", "inputs.nitrate"),
        ({"inputs": {"ph": None}}, "INPUT.NOT_A_NUMBER", "inputs.ph"),
        ({"inputs": {"ph": True}}, "INPUT.NOT_A_NUMBER", "inputs.ph"),
        ({"inputs": {"ph": "7"}}, "INPUT.NOT_A_NUMBER", "inputs.ph"),
        ({"inputs": {"ph": float("inf")}}, "INPUT.NOT_FINITE", "inputs.ph"),
        ({"inputs": {"ph": 10**400}}, "INPUT.NOT_FINITE", "inputs.ph"),
        ({"inputs": {"ph": 7}, "controller": "../secret"}, "CONTROLLER.UNKNOWN", "controller"),
        ({"inputs": {"ph": 7}, "controller": []}, "CONTROLLER.UNKNOWN", "controller"),
        ({"inputs": {"ph": 7}, "ranges": []}, "RANGES.MALFORMED", "ranges"),
        ({"inputs": {"ph": 7}, "ranges": {"ph": {"best": [6, 7]}}}, "RANGES.MALFORMED", "ranges.ph"),
        ({"inputs": {"ph": 7}, "ranges": {"ph": {"best": [6, "7"], "vital": [5, 8]}}}, "RANGES.MALFORMED", "ranges.ph"),
        ({"inputs": {"ph": 7}, "ranges": {"ph": {"best": [4, 7], "vital": [5, 8]}}}, "RANGES.NOT_SORTED", "ranges.ph"),
    ],
)
def test_refuses_with_a_code_and_a_field(request_: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(ScriptError) as caught:
        fuzzy_controller.answer(request_, b"")
    assert (caught.value.code, caught.value.field) == (code, field)


# --- Ranges and the cache --------------------------------------------------------------------------------------


def test_any_sorted_range_compiles() -> None:
    random = np.random.default_rng(5)
    for _ in range(200):
        limits: list[float | None] = [float(limit) for limit in np.sort(random.uniform(-10, 60, 4))]
        limits = [None if random.random() < 0.2 else limit for limit in limits]
        if random.random() < 0.2:
            limits = [limits[1], limits[1], limits[2], limits[2]]
        given = {"best": limits[1:3], "vital": [limits[0], limits[3]]}
        try:
            ranges = {name: parse_range(given, name) for name in DEFAULT.inputs}
        except ScriptError as error:  # an open best range within a closed vital one
            assert error.code == "RANGES.NOT_SORTED"
            continue
        Controller(DEFAULT, ranges).evaluate(FINE)


def test_an_open_limit_lies_at_the_edge() -> None:
    open_above = {"water-temperature": {"best": [20, None], "vital": [10, None]}}
    reply = ask(FINE | {"water-temperature": 44.0}, ranges=open_above)
    assert [entry for entry in reply["rules"] if "hot" in entry["rule"]] == []
    assert values(reply)["heating"] == 0.0


def test_ranges_of_other_quantities_are_ignored() -> None:
    assert ask(FINE, ranges={"nitrate": {"best": [5, 150], "vital": [None, None]}}) == ask(FINE)


def test_equal_ranges_compile_once_and_the_cache_is_bounded() -> None:
    fuzzy_controller.compiled.cache_clear()
    for low in range(3 * fuzzy_controller.COMPILED_CONTROLLERS):
        ask(FINE, ranges={"water-temperature": {"best": [20 - low / 100, 30], "vital": [5, 36]}})
    info = fuzzy_controller.compiled.cache_info()
    assert info.currsize == fuzzy_controller.COMPILED_CONTROLLERS
    ph, oxygen = ({"best": [low, None], "vital": [low, None]} for low in (6, 5))
    first = fuzzy_controller.controller_for("aquaponics", {"ph": ph, "dissolved-oxygen": oxygen})
    second = fuzzy_controller.controller_for("aquaponics", {"dissolved-oxygen": oxygen, "ph": ph})
    assert first is second


# --- Definitions -----------------------------------------------------------------------------------------------


def broken(*path: str | int, value: object) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(DEFAULT_JSON))
    place: Any = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("data", "code", "field"),
    [
        ([], "DEFINITION.MALFORMED", "inputs"),
        (broken("inputs", value={}), "DEFINITION.MALFORMED", "inputs"),
        (broken("rules", value=[]), "DEFINITION.MALFORMED", "rules"),
        (broken("rules", 0, "when", value={"ph": "sour"}), "DEFINITION.UNKNOWN_TERM", "rules[0].when.ph"),
        (broken("rules", 0, "when", value={"ph": ["low", {}]}), "DEFINITION.UNKNOWN_TERM", "rules[0].when.ph"),
        (broken("rules", 0, "when", value={"salt": "low"}), "DEFINITION.UNKNOWN_INPUT", "rules[0].when.salt"),
        (broken("rules", 0, "when", value=[]), "DEFINITION.MALFORMED", "rules[0].when"),
        (broken("rules", 0, "then", value={"light": "on"}), "DEFINITION.UNKNOWN_OUTPUT", "rules[0].then.light"),
        (broken("rules", 1, "rule", value="oxygen-good-rest"), "DEFINITION.DUPLICATE_RULE", "rules"),
        (broken("inputs", "ph", "terms", "low", value=[0, 1, 2]), "DEFINITION.MALFORMED", "inputs.ph.terms.low"),
        (
            broken("inputs", "ph", "terms", "low", value=[0, 1, 2, "vital"]),
            "DEFINITION.UNKNOWN_ANCHOR",
            "inputs.ph.terms.low[3]",
        ),
        (
            broken("outputs", "heating", "terms", "off", value=[0, 0, 0, "bestLow"]),
            "DEFINITION.UNKNOWN_ANCHOR",
            "outputs.heating.terms",
        ),
        (broken("inputs", "ph", "universe", "points", value=1), "DEFINITION.MALFORMED", "inputs.ph.universe"),
        (broken("inputs", "ph", "universe", "from", value="0"), "DEFINITION.MALFORMED", "inputs.ph.universe.from"),
        (broken("outputs", "heating", "limits", value=[0]), "DEFINITION.MALFORMED", "outputs.heating.limits"),
    ],
)
def test_refuses_a_broken_definition(data: object, code: str, field: str) -> None:
    with pytest.raises(ScriptError) as caught:
        Definition.parse(data)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_refuses_breakpoints_out_of_order() -> None:
    definition = Definition.parse(broken("inputs", "ph", "terms", "low", value=[0, 9, "bestLow", 14]))
    with pytest.raises(ScriptError) as caught:
        Controller(definition)
    assert caught.value.code == "DEFINITION.NOT_SORTED"


# --- The contract ----------------------------------------------------------------------------------------------


def assert_alike(found: object, expected: object, path: str = "reply") -> None:
    if isinstance(expected, dict):
        assert isinstance(found, dict)
        assert found.keys() == expected.keys(), path
        for key in expected:
            assert_alike(found[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list)
        assert len(found) == len(expected), path
        for i, entry in enumerate(expected):
            assert_alike(found[i], entry, f"{path}[{i}]")
    elif isinstance(expected, float) and isinstance(found, float):
        assert found == pytest.approx(expected, abs=TOLERANCE), path
    else:
        assert found == expected, path


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_keeps_the_contract(path: Path) -> None:
    example = json.loads(path.read_text(encoding="utf-8"))
    try:
        reply, payload = fuzzy_controller.answer(example["request"], b"")
    except ScriptError as error:
        assert {"code": error.code, "field": error.field} == example["error"]
    else:
        assert payload == b""
        assert_alike(reply, example["reply"])


def test_there_are_contract_examples() -> None:
    assert len(CONTRACTS) >= 4


def run_alone(request: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "aquaponia.fuzzy_controller"],
        input=request.encode(),
        capture_output=True,
        cwd=PYTHON,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def test_answers_alone() -> None:
    status, reply = run_alone(json.dumps({"inputs": FINE}))
    assert status == 0
    assert_alike(reply, json.loads(json.dumps(ask(FINE))))


def test_refuses_alone() -> None:
    status, reply = run_alone('{"inputs": {"ph": 1e999}}')
    assert status == 1
    assert reply["error"]["code"] == "REQUEST.NOT_FINITE"
