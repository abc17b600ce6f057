"""Answer a JSON array of inputs with the outputs of the default controller as scikit-fuzzy computes them."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from fuzzy_scikit import DEFINITION, build
from skfuzzy import control


def main() -> None:
    """Read standard input, write standard output; an output for which no rule fired is null."""
    definition = json.loads(DEFINITION.read_text(encoding="utf-8"))
    simulation = control.ControlSystemSimulation(build(definition))
    answers = []
    for inputs in json.load(sys.stdin):
        simulation.reset()
        for name, value in inputs.items():
            simulation.input[name] = value
        simulation.compute()
        answer = {}
        for name, entry in definition["outputs"].items():
            value = simulation.output.get(name)
            low, high = entry["limits"]
            answer[name] = None if value is None else float(min(max(value, low), high))
        answers.append(answer)
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
