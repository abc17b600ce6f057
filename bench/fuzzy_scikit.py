"""The default controller as such systems are usually written: one process for a request, scikit-fuzzy within.

Standard input is one request, ``{"inputs": {"ph": 6.8, ...}}`` with all inputs of the definition; standard output
is ``{"outputs": [{"output": "aeration", "value": 54.4}, ...]}``.
"""

import json
import sys
from functools import reduce
from operator import and_, or_
from pathlib import Path
from typing import Any

import numpy as np
from skfuzzy import control, trapmf

DEFINITION = Path(__file__).parent.parent / "python" / "aquaponia" / "controllers" / "aquaponics.json"


def resolve(point: object, variable: dict[str, Any]) -> float:
    """Give a breakpoint as a number, on the definition's own range; an open limit is the universe's edge."""
    if isinstance(point, (int, float)):
        return point
    universe, ranges = variable["universe"], variable["ranges"]
    edges = {"Low": (0, universe["from"]), "High": (1, universe["to"])}

    def anchor(name: str) -> float:
        side = "Low" if name.endswith("Low") else "High"
        index, edge = edges[side]
        limit = ranges[name.removesuffix(side)][index]
        return edge if limit is None else limit

    if isinstance(point, str):
        return anchor(point)
    start = anchor(point["anchor"])
    end = anchor(point.get("toward", point["anchor"]))
    return start + point.get("share", 0) * (end - start) + point.get("plus", 0)


def build(definition: dict[str, Any]) -> control.ControlSystem:
    """Build the definition in scikit-fuzzy's control API."""

    def variable(kind: type, name: str, entry: dict[str, Any]) -> control.fuzzyvariable.FuzzyVariable:
        universe = entry["universe"]
        made = kind(np.linspace(universe["from"], universe["to"], universe["points"]), name)
        for term, points in entry["terms"].items():
            made[term] = trapmf(made.universe, [resolve(point, entry) for point in points])
        return made

    inputs = {name: variable(control.Antecedent, name, entry) for name, entry in definition["inputs"].items()}
    outputs = {name: variable(control.Consequent, name, entry) for name, entry in definition["outputs"].items()}

    def condition(when: object) -> control.term.TermPrimitive:
        if isinstance(when, list):
            return reduce(or_, map(condition, when))
        parts = []
        for name, terms in when.items():
            listed = terms if isinstance(terms, list) else [terms]
            parts.append(reduce(or_, [inputs[name][term] for term in listed]))
        return reduce(and_, parts)

    rules = [
        control.Rule(
            condition(rule["when"]), [outputs[name][term] for name, term in rule["then"].items()], label=rule["rule"]
        )
        for rule in definition["rules"]
    ]
    return control.ControlSystem(rules)


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    definition = json.loads(DEFINITION.read_text(encoding="utf-8"))
    simulation = control.ControlSystemSimulation(build(definition))
    for name, value in request["inputs"].items():
        simulation.input[name] = value
    simulation.compute()
    outputs = []
    for name, entry in definition["outputs"].items():
        low, high = entry["limits"]
        value = simulation.output.get(name)
        outputs.append({"output": name, "value": None if value is None else float(min(max(value, low), high))})
    print(json.dumps({"outputs": outputs}))


if __name__ == "__main__":
    main()
