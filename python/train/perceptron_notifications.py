"""Train the perceptron of ``aquaponia/perceptron_notifications.py`` on generated states, and score it.

    python -m train.perceptron_notifications [--seed N] [--count N] [--write]

**No real labelled set exists.** States are generated out of the ranges in ``src/systems/profiles.json``, labelled by
the rule below, and every score is against those generated labels: it says how well the perceptron learnt the rule
through sensor noise, dead probes and disagreeing experts, not how often a grower would agree with it.

**The states.** Each species alone and with each crop, ranges intersected, some of the sensors fitted, some twice. From
a healthy state one scenario, or two, unfolds: a pump stops and oxygen falls; overfeeding lifts ammonia, then nitrite,
and eats oxygen; a heater sticks on or off; acid or base runs away; a leak or an overflow; nitrate starved or piled up;
a slow drift; or values anywhere at all, so that no corner is unseen. Un-ionised ammonia follows from total ammonia, pH
and temperature (Emerson et al. 1975). Over it lie sensor noise, dead probes that send junk or nothing, suspect ones
and stale ones.

**The rule** (``label``) looks at the true values of what is measured, as an expert standing at the tank would:

- A hair's breadth outside the best range (under a quarter of the way to the vital limit) is worth nobody's attention;
  more is an advisory; outside of the vital range, where it "dies or stops", is a warning; far outside of it
  (``DEADLY``) is critical. Total ammonia and nitrate never are: the first kills as un-ionised ammonia, which is graded
  by itself, and the second kills slowly.
- Reaching the vital limit within the hour is a warning. Reaching the deadly one is critical for what kills in an hour:
  oxygen, temperature, level.
- Twice the tolerable rate is an advisory wherever the value is (0.3 pH within a day hurts); seven times is a warning
  for pH and temperature, which shock.
- A dead or stale probe is an advisory; two of those that life hangs on (oxygen, temperature, pH, level), or all
  probes there are, a warning. Two suspect ones are an advisory.
- Together they are worse: oxygen short while nitrite poisons the blood, or while the water is too hot and the fish
  need more, is critical; so is a warning while the oxygen probe is dead; three advisories are a warning.

The experts disagree near the boundaries: each state's thresholds are jittered by 8 % (one standard deviation), and one
label in a hundred is a level off.

**The split.** Training, validation (which keeps the best step) and test are drawn from different seeds over three
species; all states of rainbow trout, the one cold-water species, are held out as a further test.
"""

import argparse
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aquaponia.perceptron_notifications import (
    FEATURES,
    KINDS,
    LEVELS,
    QUANTITIES,
    WEIGHTS,
    Array,
    Perceptron,
    Range,
    feature_vector,
    most_probable,
    read_range,
    strain,
    swing,
)

VERSION = "1.0.0"
PROFILES = Path(__file__).parents[2] / "src" / "systems" / "profiles.json"
HELD_OUT = "rainbow-trout"
HIDDEN_UNITS = 16
EPOCHS = 60
COUNTS = {"train": 40_000, "validation": 8_000, "test": 8_000, "heldOutSpecies": 8_000}
PLAINLY = (
    "No real labelled set exists. The states are generated from the profiles' ranges and labelled by a rule; the "
    "scores are against those generated labels and do not say how often a grower would agree."
)

DEADLY = {
    "water-temperature": 1.0,  # 2 degrees: tilapia, vital above 14, die below 12
    "ph": 2.0,  # one pH unit
    "dissolved-oxygen": 0.9,  # about half of the vital limit
    "total-ammonia-nitrogen": math.inf,
    "nitrite": 1.5,  # 2.8 times the vital limit
    "nitrate": math.inf,
    "water-level": 1.0,  # a further fifth of the water lost or to spill
    "un-ionised-ammonia": 1.0,  # 0.4 mg/L, before the 0.5 that is deadly
}
FAST_KILLERS = ("dissolved-oxygen", "water-temperature", "water-level")
SHOCKING = ("ph", "water-temperature")
LIFE_SUPPORT = ("dissolved-oxygen", "water-temperature", "ph", "water-level")
NOISE = {  # one standard deviation: absolute, or a share of the value where the quantity is compared by ratios
    "water-temperature": 0.2,
    "ph": 0.05,
    "dissolved-oxygen": 0.03,
    "total-ammonia-nitrogen": 0.1,
    "nitrite": 0.1,
    "nitrate": 0.1,
    "water-level": 1.0,
    "un-ionised-ammonia": 0.15,
}
JUNK = (None, 0.0, 85.0, -127.0, 14.0, 9999.0)

Ranges = dict[str, dict[str, list[float | None]]]
Labels = npt.NDArray[np.int64]


@dataclass
class State:
    """The truth: a value and an hourly rate for each quantity."""

    values: dict[str, float]
    rates: dict[str, float]


def _intersect(all_ranges: list[Ranges]) -> Ranges:
    merged: Ranges = {}
    for ranges in all_ranges:
        for quantity, entry in ranges.items():
            target = merged.setdefault(quantity, {"best": [None, None], "vital": [None, None]})
            for name, (low, high) in entry.items():
                lows = [end for end in (target[name][0], low) if end is not None]
                highs = [end for end in (target[name][1], high) if end is not None]
                target[name] = [max(lows, default=None), min(highs, default=None)]
    return merged


def farms(species: list[str] | None = None) -> list[Ranges]:
    """Give the intersected ranges of each species alone and with each crop; all but the held-out species by default."""
    profiles = json.loads(PROFILES.read_text())
    ammonia: Ranges = {"un-ionised-ammonia": {"best": [None, 0.02], "vital": [None, 0.2]}}
    every = profiles["everySystem"]["ranges"]
    crops: list[Ranges] = [{}, *(crop["ranges"] for crop in profiles["crops"].values())]
    chosen = species or [name for name in profiles["species"] if name != HELD_OUT]
    mixes = [
        _intersect([profiles["species"][name]["ranges"], crop, every, ammonia]) for name in chosen for crop in crops
    ]
    return [{quantity: ranges[quantity] for quantity in QUANTITIES} for ranges in mixes]


def unionised_fraction(celsius: float, ph: float) -> float:
    """Give the share of total ammonia that is NH3 in fresh water (Emerson et al. 1975)."""
    return 1.0 / (1.0 + math.pow(10.0, 0.09018 + 2729.92 / (celsius + 273.15) - ph))


def _healthy(rng: random.Random, limits: dict[str, Range]) -> State:
    oxygen, nitrate = limits["dissolved-oxygen"], limits["nitrate"]
    temperature, ph = limits["water-temperature"], limits["ph"]
    lowest_nitrate = max(nitrate.best_low, 0.0)
    values = {
        "water-temperature": rng.uniform(temperature.best_low, temperature.best_high),
        "ph": rng.uniform(ph.best_low, ph.best_high),
        "dissolved-oxygen": oxygen.best_low + rng.uniform(0.1, 3.0),
        "total-ammonia-nitrogen": limits["total-ammonia-nitrogen"].best_high * rng.uniform(0.02, 0.9),
        "nitrite": limits["nitrite"].best_high * rng.uniform(0.02, 0.9),
        "nitrate": rng.uniform(lowest_nitrate + 5, nitrate.best_high),
        "water-level": rng.uniform(88, 108),
    }
    rates = {quantity: QUANTITIES[quantity].tolerable_per_hour * rng.gauss(0, 0.3) for quantity in values}
    return State(values, rates)


def _move(state: State, quantity: str, by: float, rate: float) -> None:
    state.values[quantity] = state.values[quantity] + by
    state.rates[quantity] = rate


def _pump_stops(rng: random.Random, state: State, _limits: dict[str, Range]) -> None:
    rate, hours = -rng.uniform(0.3, 4.0), rng.uniform(0.0, 2.0)
    _move(state, "dissolved-oxygen", max(rate * hours, -state.values["dissolved-oxygen"]), rate)
    if rng.random() < 0.3:  # the beds drain into the sump, or the pump stopped because the sump was dry
        _move(state, "water-level", rng.uniform(-50, 25), rng.uniform(-15, 5))


def _overfed(rng: random.Random, state: State, limits: dict[str, Range]) -> None:
    much = rng.random()
    for quantity, share in (("total-ammonia-nitrogen", 1.0), ("nitrite", rng.random())):
        reach = limits[quantity].vital_high * 2.0 ** (3.0 * much * share) * rng.uniform(0.4, 1.0)
        _move(state, quantity, reach, rng.uniform(0, 4) * much * QUANTITIES[quantity].tolerable_per_hour)
    _move(state, "dissolved-oxygen", -rng.uniform(0, 3) * much, -rng.uniform(0, 1.5) * much)


def _heater(rng: random.Random, state: State, limits: dict[str, Range]) -> None:
    stuck_on = rng.random() < 0.6
    temperature = limits["water-temperature"]
    room = temperature.vital_high - temperature.best_high if stuck_on else temperature.best_low - temperature.vital_low
    change = (room + 5.0) * rng.random() * (1 if stuck_on else -1)
    _move(state, "water-temperature", change, math.copysign(rng.uniform(0, 4) * rng.random(), change))
    if stuck_on:  # warm water holds less: about 0.15 mg/L less for each degree
        _move(state, "dissolved-oxygen", -0.15 * change, -0.15 * abs(state.rates["water-temperature"]))


def _ph_runs_away(rng: random.Random, state: State, _limits: dict[str, Range]) -> None:
    change = rng.choice((-1, -1, 1)) * 3.0 * rng.random() ** 1.5
    _move(state, "ph", change, math.copysign(1.2 * rng.random() ** 2, change))


def _leak_or_overflow(rng: random.Random, state: State, _limits: dict[str, Range]) -> None:
    change = -rng.uniform(0, 90) if rng.random() < 0.75 else rng.uniform(0, 50)
    _move(state, "water-level", change, math.copysign(40 * rng.random() ** 2, change))


def _nitrate(rng: random.Random, state: State, limits: dict[str, Range]) -> None:
    state.values["nitrate"] = (
        rng.uniform(0.5, 8) if rng.random() < 0.4 else limits["nitrate"].best_high * rng.uniform(1, 6)
    )


def _place_at(rng: random.Random, quantity: str, limits: Range, most: float) -> float:
    """Find a value at up to ``most`` of strain on a side that is closed, by bisection on the strain itself."""
    below = math.isinf(limits.best_high) or (not math.isinf(limits.best_low) and rng.random() < 0.5)
    wanted, edge = rng.uniform(0, most), limits.best_low if below else limits.best_high
    near, far = edge, 0.0 if below else edge * 12 + 1
    for _ in range(24):
        middle = (near + far) / 2
        near, far = (near, middle) if strain(QUANTITIES[quantity], limits, middle)[0] > wanted else (middle, far)
    return near


def _drift(rng: random.Random, state: State, limits: dict[str, Range]) -> None:
    quantity = rng.choice(list(state.values))
    state.values[quantity] = _place_at(rng, quantity, limits[quantity], 1.6)


def _anything(rng: random.Random, state: State, limits: dict[str, Range]) -> None:
    for quantity in rng.sample(list(QUANTITIES), rng.choice((1, 1, 2, 3))):
        state.values[quantity] = _place_at(rng, quantity, limits[quantity], 4.0)
        state.rates[quantity] = QUANTITIES[quantity].tolerable_per_hour * rng.gauss(0, 3) * rng.random()


def _nothing(_rng: random.Random, _state: State, _limits: dict[str, Range]) -> None:
    pass


SCENARIOS = {
    _nothing: 5,
    _pump_stops: 3,
    _overfed: 3,
    _heater: 3,
    _ph_runs_away: 3,
    _leak_or_overflow: 2,
    _nitrate: 1,
    _drift: 3,
    _anything: 4,
}


def _unfold(rng: random.Random, limits: dict[str, Range]) -> State:
    state = _healthy(rng, limits)
    scenarios = rng.choices(list(SCENARIOS), list(SCENARIOS.values()), k=1 if rng.random() < 0.75 else 2)
    for scenario in scenarios:
        scenario(rng, state, limits)
    for quantity in state.values:
        state.values[quantity] = max(state.values[quantity], 0.0)
    if "un-ionised-ammonia" not in state.values:
        fraction = unionised_fraction(state.values["water-temperature"], state.values["ph"])
        state.values["un-ionised-ammonia"] = state.values["total-ammonia-nitrogen"] * fraction
        state.rates["un-ionised-ammonia"] = state.rates["total-ammonia-nitrogen"] * fraction
    return state


def _noisy(rng: random.Random, quantity: str, value: float) -> float:
    spread = NOISE[quantity] * (1.0 if QUANTITIES[quantity].step is not None else value)
    return max(value + rng.gauss(0, spread), 0.0)


def _observe(rng: random.Random, state: State) -> list[dict[str, Any]]:
    fitted = [quantity for quantity in QUANTITIES if rng.random() < 0.8] or ["ph"]
    # Most states have no failed probe; in the others anything from one to all has failed.
    failing = 0.0 if rng.random() < 0.7 else rng.random() ** 2
    if failing and rng.random() < 0.08:
        failing = 1.0
    readings: list[dict[str, Any]] = []
    for quantity in fitted:
        scale = QUANTITIES[quantity]
        for _ in range(2 if rng.random() < 0.08 else 1):
            value: float | None = _noisy(rng, quantity, state.values[quantity])
            rate = state.rates[quantity] + rng.gauss(0, 0.2 * scale.tolerable_per_hour)
            age, quality = rng.random() * scale.stale_after_seconds, "suspect" if rng.random() < 0.04 else "good"
            if rng.random() < failing:
                if rng.random() < 0.4:
                    age += scale.stale_after_seconds * (1 + rng.expovariate(1))
                else:
                    value, quality = rng.choice(JUNK), "bad"
            readings.append(
                {
                    "quantity": quantity,
                    "value": value,
                    "quality": quality,
                    "ageSeconds": age,
                    "ratePerHour": rate if rng.random() < 0.85 else None,
                }
            )
    return readings


def _as_measured(readings: list[dict[str, Any]], state: State) -> State:
    values, rates = dict(state.values), dict(state.rates)
    for reading in readings:
        if reading["quality"] != "bad" and reading["value"] is not None:
            values[reading["quantity"]] = reading["value"]
            rates[reading["quantity"]] = reading["ratePerHour"] or 0.0
    return State(values, rates)


def _grade(quantity: str, limits: Range, state: State, rate_known: bool, jitter: float) -> int:
    scale, deadly = QUANTITIES[quantity], DEADLY[quantity] * jitter
    value, rate = state.values[quantity], state.rates[quantity] if rate_known else 0.0
    now, ahead = strain(scale, limits, value, rate)
    swinging = swing(scale, limits, rate)
    if now >= 1 + deadly or (ahead >= 1 + deadly and quantity in FAST_KILLERS):
        return 3
    # Beyond a vital limit strain is over one; it stops at one where there is none.
    if ahead > 1 or (quantity in SHOCKING and swinging > 6 * jitter):
        return 2
    return int(now > 0.25 * jitter or swinging > jitter)


def label(readings: list[dict[str, Any]], limits: dict[str, Range], state: State, jitter: float = 1.0) -> int:
    """Grade a state from 0 (normal) to 3 (critical) by the rule at the top; ``jitter`` scales its thresholds."""
    usable: dict[str, bool] = {}
    dark: set[str] = set()
    suspects = 0
    for reading in readings:
        quantity = reading["quantity"]
        stale = reading["ageSeconds"] > QUANTITIES[quantity].stale_after_seconds
        if stale or reading["quality"] == "bad" or reading["value"] is None:
            dark.add(quantity)
        else:
            usable[quantity] = usable.get(quantity, False) or reading["ratePerHour"] is not None
            suspects += reading["quality"] == "suspect"
    grades = {name: _grade(name, limits[name], state, known, jitter) for name, known in usable.items()}
    worst = max(grades.values(), default=0)
    oxygen_short, oxygen_dark = grades.get("dissolved-oxygen", 0), "dissolved-oxygen" in dark - set(usable)
    too_hot = (
        "water-temperature" in usable and state.values["water-temperature"] > limits["water-temperature"].best_high
    )
    together = (
        (oxygen_short >= 1 and grades.get("nitrite", 0) >= 2)
        or (oxygen_short >= 2 and too_hot and grades["water-temperature"] >= 1)
        or (oxygen_dark and worst >= 2)
    )
    if worst == 3 or together:
        return 3
    life_support_dark = sum(quantity in dark - set(usable) for quantity in LIFE_SUPPORT)
    amiss = sum(grade >= 1 for grade in grades.values())
    if worst == 2 or not usable or life_support_dark >= 2 or amiss >= 3:
        return 2
    return int(amiss > 0 or len(dark) > 0 or suspects >= 2)


@dataclass
class Samples:
    """Features and labels, and what a plain threshold alarm and the rule itself say of the same noisy readings."""

    x: Array
    y: Labels
    thresholds: Labels
    rule: Labels


def _threshold_alarm(x: Array) -> Labels:
    """Raise the baseline: outside best or a dead probe, outside vital, and one step beyond, whatever the quantity."""
    worst = x[:, :-1].reshape(len(x), len(QUANTITIES), len(KINDS)).max(axis=1)
    of = {kind: worst[:, index] for index, kind in enumerate(KINDS)}
    advisory = (of["outside-best"] > 0) | (of["bad"] > 0) | (of["stale"] > 0)
    return np.where(of["beyond-vital"] > 1, 3, np.where(of["outside-vital"] > 0, 2, advisory.astype(np.int64)))


def generate(count: int, seed: str, among: list[Ranges]) -> Samples:
    """Generate labelled states of the given farms; the same seed gives the same states."""
    rng = random.Random(seed)
    parsed = [(ranges, {name: read_range(entry, name) for name, entry in ranges.items()}) for ranges in among]
    x, y, rule = np.empty((count, len(FEATURES))), np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    for index in range(count):
        ranges, limits = rng.choice(parsed)
        state = _unfold(rng, limits)
        readings = _observe(rng, state)
        level = label(readings, limits, state, jitter=math.exp(rng.gauss(0, 0.08)))
        if rng.random() < 0.01:
            level = min(max(level + rng.choice((-1, 1)), 0), 3)
        rule[index] = label(readings, limits, _as_measured(readings, state))
        x[index], y[index] = feature_vector({"readings": readings, "ranges": ranges}), level
    return Samples(x, y, _threshold_alarm(x), rule)


def split(name: str, seed: int, count: int) -> Samples:
    """Generate one of the splits named in ``COUNTS``."""
    return generate(count, f"{name} {seed}", farms([HELD_OUT] if name == "heldOutSpecies" else None))


def scores(y: Labels, said: Labels) -> dict[str, float]:
    """Score what was said against the labels: shares of one."""
    f1 = []
    for level in range(len(LEVELS)):
        hits, either = np.sum((y == level) & (said == level)), np.sum(y == level) + np.sum(said == level)
        f1.append(2 * hits / either if either else 0.0)
    return {
        "accuracy": round(float(np.mean(y == said)), 4),
        "macroF1": round(float(np.mean(f1)), 4),
        "recallOfCritical": round(float(np.mean(said[y == 3] == 3)), 4),
        "criticalCalledWarningOrWorse": round(float(np.mean(said[y == 3] >= 2)), 4),
        "falseAlarms": round(float(np.mean(said[y == 0] >= 2)), 4),
    }


def _sigmoid(z: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def _loss_and_slope(score: Array, thresholds: Array, y: Labels) -> tuple[float, Array, Array]:
    """Give the mean negative log-likelihood of a cumulative logit, and its slopes by score and by threshold."""
    n = len(y)
    at_least = np.ones((n, 5))
    at_least[:, 1:4] = _sigmoid(score[:, None] - thresholds)
    at_least[:, 4] = 0.0
    rows = np.arange(n)
    likelihood = np.maximum(at_least[rows, y] - at_least[rows, y + 1], 1e-9)
    slope = at_least * (1 - at_least)  # none at the outer edges, which are constants
    by_lower, by_upper = -slope[rows, y] / likelihood / n, slope[rows, y + 1] / likelihood / n
    by_threshold = np.zeros(5)
    np.add.at(by_threshold, y, -by_lower)
    np.add.at(by_threshold, y + 1, -by_upper)
    return float(-np.log(likelihood).mean()), by_lower + by_upper, by_threshold[1:4]


def _as_model(weights: dict[str, Array]) -> dict[str, Any]:
    model = {"version": VERSION, "features": list(FEATURES)}
    return model | {name: np.round(value, 5).tolist() for name, value in weights.items()}


def fit(train: Samples, validation: Samples, hidden_units: int, seed: int, epochs: int = EPOCHS) -> dict[str, Any]:
    """Fit by Adam (Kingma and Ba 2015), clipping weights at zero; no hidden unit means a single layer.

    Keeps the epoch with the least loss on the validation set. The weights that ``Perceptron`` takes.
    """
    rng = np.random.default_rng(seed)
    weights: dict[str, Array] = {"thresholds": np.array([1.0, 3.0, 5.0])}
    if hidden_units:
        weights["hiddenWeights"] = np.abs(rng.normal(0, 0.5, (len(FEATURES), hidden_units)))
        weights["hiddenBias"] = -rng.uniform(0.5, 4, hidden_units)
        weights["scoreWeights"] = rng.uniform(0.5, 2, hidden_units)
    else:
        weights["scoreWeights"] = np.full(len(FEATURES), 0.5)
    first, second = ({name: np.zeros_like(value) for name, value in weights.items()} for _ in range(2))
    best, best_loss, step, batch = dict(weights), math.inf, 0, 256
    for epoch in range(epochs):
        rate = 0.02 * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        order = rng.permutation(len(train.y))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            x = train.x[rows]
            inner = _sigmoid(x @ weights["hiddenWeights"] + weights["hiddenBias"]) if hidden_units else x
            _, by_score, by_threshold = _loss_and_slope(
                inner @ weights["scoreWeights"], weights["thresholds"], train.y[rows]
            )
            slopes = {"thresholds": by_threshold, "scoreWeights": inner.T @ by_score}
            if hidden_units:
                by_inner = by_score[:, None] * weights["scoreWeights"] * inner * (1 - inner)
                slopes |= {"hiddenWeights": x.T @ by_inner, "hiddenBias": by_inner.sum(axis=0)}
            step += 1
            for name, slope in slopes.items():
                first[name] = 0.9 * first[name] + 0.1 * slope
                second[name] = 0.999 * second[name] + 0.001 * slope**2
                move = first[name] / (1 - 0.9**step) / (np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8)
                weights[name] = weights[name] - rate * move
                if name in ("hiddenWeights", "scoreWeights"):
                    weights[name] = np.maximum(weights[name], 0.0)
            weights["thresholds"] = np.maximum.accumulate(weights["thresholds"] + np.arange(3) * 1e-9)
        inner = validation.x
        if hidden_units:
            inner = _sigmoid(inner @ weights["hiddenWeights"] + weights["hiddenBias"])
        loss, _, _ = _loss_and_slope(inner @ weights["scoreWeights"], weights["thresholds"], validation.y)
        if loss < best_loss:
            best, best_loss = dict(weights), loss
    return _as_model(best)


def predict(model: dict[str, Any], x: Array) -> Labels:
    """Give the level that the runtime would, for each row of features."""
    return most_probable(Perceptron(model).probabilities(x)).astype(np.int64)


def score_all(fitted: dict[str, dict[str, Any]], majority: int, samples: Samples) -> dict[str, dict[str, float]]:
    """Score both perceptrons, the rule given only the noisy readings (about the best there is), and two baselines."""
    said = {name: predict(model, samples.x) for name, model in fitted.items()}
    said |= {"ruleOnReadings": samples.rule, "hardThresholds": samples.thresholds}
    said["majority"] = np.full_like(samples.y, majority)
    return {name: scores(samples.y, levels) for name, levels in said.items()}


def _write(chosen: dict[str, Any], about: dict[str, Any]) -> None:
    document = {"version": VERSION, **about, **chosen}
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in document.items()]
    WEIGHTS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> None:
    """Train both, print the table, and write the hidden layer's weights if asked to."""
    parser = argparse.ArgumentParser(description="Train the perceptron that grades notifications.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=COUNTS["train"], help="training states")
    parser.add_argument("--write", action="store_true", help="write the weights beside the runtime")
    arguments = parser.parse_args()
    counts = COUNTS | {"train": arguments.count}
    sets = {name: split(name, arguments.seed, count) for name, count in counts.items()}
    fitted = {
        name: fit(sets["train"], sets["validation"], units, arguments.seed)
        for name, units in (("singleLayer", 0), ("hiddenLayer", HIDDEN_UNITS))
    }
    majority = int(np.bincount(sets["train"].y).argmax())
    table = {name: score_all(fitted, majority, sets[name]) for name in ("test", "heldOutSpecies")}
    print(PLAINLY)
    for name, methods in table.items():
        share = np.bincount(sets[name].y, minlength=len(LEVELS)) / len(sets[name].y)
        print(f"\n{name}:", ", ".join(f"{part:.1%} {level}" for level, part in zip(LEVELS, share, strict=True)))
        print(" " * 16, *(f"{column:>28}" for column in methods["majority"]))
        for method, row in methods.items():
            print(f"{method:16}", *(f"{value:28.4f}" for value in row.values()))
    if arguments.write:
        about = {
            "plainly": PLAINLY,
            "trainedWith": {
                "command": f"python -m train.perceptron_notifications --seed {arguments.seed} "
                f"--count {arguments.count} --write",
                "seed": arguments.seed,
                "sampleCounts": counts,
                "heldOutSpecies": HELD_OUT,
            },
            "scores": table,
            "architecture": f"{len(FEATURES)} features, {HIDDEN_UNITS} sigmoid units, a cumulative logit over "
            f"{len(LEVELS)} levels; all weights non-negative. The single layer, with the same head, scored less.",
        }
        _write(fitted["hiddenLayer"], about)


if __name__ == "__main__":
    main()
