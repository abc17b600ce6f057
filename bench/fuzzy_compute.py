"""Our evaluate against ControlSystemSimulation.compute, warm and in one process; prints JSON.

``ours`` is the whole reply (memberships, fired rules, outputs); ``scikitFuzzy`` is ``compute`` alone, without the
setting of its inputs. Each call gets new inputs, so that scikit-fuzzy's cache does not answer.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))

from fuzzy_scikit import DEFINITION, build
from skfuzzy import control

from aquaponia.fuzzy_controller import Controller, Definition


def grid_definition() -> dict[str, Any]:
    """Three inputs and three outputs of three overlapping terms each, and a rule for each of the 27 combinations."""
    terms = {"low": [0, 0, 0, 50], "medium": [0, 50, 50, 100], "high": [50, 100, 100, 100]}
    variable = {"unit": "%", "universe": {"from": 0, "to": 100, "points": 101}, "terms": terms}
    names = list(terms)
    rules = [
        {
            "rule": f"rule-{i}",
            "when": {f"input-{j}": names[k] for j, k in enumerate(ks)},
            "then": {f"output-{j}": names[(sum(ks) + j) % 3] for j in range(3)},
            "reason": "bench",
        }
        for i, ks in enumerate(product(range(3), repeat=3))
    ]
    inputs, outputs = ({f"{kind}-{j}": variable for j in range(3)} for kind in ("input", "output"))
    return {"controller": "grid", "version": "1", "inputs": inputs, "outputs": outputs, "rules": rules}


def p50_ms(calls: int, prepare: Callable[[], Any], call: Callable[[Any], Any]) -> float:
    """Median time of ``call`` alone."""
    times = []
    for _ in range(calls):
        prepared = prepare()
        started = time.perf_counter()
        call(prepared)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def compare(definition: dict[str, Any], calls: int) -> dict[str, float]:
    """Time both on random inputs that span each universe."""
    random = np.random.default_rng(1)
    controller = Controller(Definition.parse(definition))
    simulation = control.ControlSystemSimulation(build(definition))

    def inputs() -> dict[str, float]:
        return {
            name: float(random.uniform(entry["universe"]["from"], entry["universe"]["to"]))
            for name, entry in definition["inputs"].items()
        }

    def set_inputs() -> None:
        for name, value in inputs().items():
            simulation.input[name] = value

    p50_ms(50, inputs, controller.evaluate)
    ours = p50_ms(calls * 20, inputs, controller.evaluate)
    theirs = p50_ms(calls, set_inputs, lambda _: simulation.compute())
    return {"oursP50Ms": round(ours, 4), "scikitFuzzyP50Ms": round(theirs, 3), "ratio": round(theirs / ours, 1)}


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100, help="calls of scikit-fuzzy; ours gets 20 times as many")
    calls = parser.parse_args().calls
    default = json.loads(DEFINITION.read_text(encoding="utf-8"))
    print(json.dumps({"grid27": compare(grid_definition(), calls), "default": compare(default, calls)}))


if __name__ == "__main__":
    main()
