"""The perceptron: what is obvious, what must hold for any state, and that the committed weights are what they say."""

import json
import math
import random
import subprocess
import sys
import timeit
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from aquaponia.perceptron_notifications import FEATURES, LEVELS, QUANTITIES, WEIGHTS, Perceptron, answer
from aquaponia.worker import ScriptError
from train.perceptron_notifications import HIDDEN_UNITS, PLAINLY, farms, fit, predict, scores, split, unionised_fraction

CONTRACTS = sorted((Path(__file__).parents[2] / "test" / "contracts" / "perceptron_notifications").glob("*.json"))
TILAPIA_AND_LETTUCE = farms(["nile-tilapia"])[1]
WELL = {
    "water-temperature": 28.5,
    "ph": 6.5,
    "dissolved-oxygen": 6.5,
    "total-ammonia-nitrogen": 0.4,
    "nitrite": 0.2,
    "nitrate": 60.0,
    "water-level": 97.0,
    "un-ionised-ammonia": 0.004,
}
Reading = dict[str, Any]


def reading(quantity: str, **changes: Any) -> Reading:  # noqa: ANN401
    well = {"value": WELL[quantity], "quality": "good", "ageSeconds": 60, "ratePerHour": 0.0}
    return {"quantity": quantity, **well, **changes}


def state(**changes: dict[str, Any]) -> list[Reading]:
    by_name = {name.replace("_", "-"): change for name, change in changes.items()}
    return [reading(quantity, **by_name.get(quantity, {})) for quantity in WELL]


def reply(readings: list[Reading], ranges: dict[str, Any] | None = None) -> dict[str, Any]:
    return answer({"readings": readings, "ranges": ranges or TILAPIA_AND_LETTUCE}, b"")[0]


def level(readings: list[Reading]) -> int:
    return LEVELS.index(reply(readings)["level"])


def severity(said: dict[str, Any]) -> float:
    return sum(rank * float(said["probabilities"][name]) for rank, name in enumerate(LEVELS))


def a_state_at_random(rng: random.Random, ranges: dict[str, Any]) -> list[Reading]:
    readings = []
    for quantity in rng.sample(list(QUANTITIES), rng.randint(1, len(QUANTITIES))):
        ends = [end for pair in ranges[quantity].values() for end in pair if end is not None]
        spread = max(ends) - min(ends) + 0.1
        readings.append(
            reading(
                quantity,
                value=max(rng.uniform(min(ends) - spread, max(ends) + 2 * spread), 0.0),
                quality=rng.choice(("good", "good", "good", "suspect", "bad")),
                ageSeconds=rng.choice((0, 60, 1e6)) if rng.random() < 0.3 else 60,
                ratePerHour=rng.choice((None, 0.0, rng.gauss(0, 3) * QUANTITIES[quantity].tolerable_per_hour)),
            )
        )
    return readings


class TestObviousStates:
    def test_all_at_its_best_is_normal_whatever_is_fitted(self) -> None:
        assert reply(state())["level"] == "normal"
        for quantity in WELL:
            assert reply([reading(quantity)])["level"] == "normal"

    @pytest.mark.parametrize(
        ("quantity", "value", "at_least"),
        [
            ("ph", 4.0, "warning"),
            ("dissolved-oxygen", 1.0, "critical"),
            ("dissolved-oxygen", 0.0, "critical"),
            ("un-ionised-ammonia", 0.25, "warning"),
            ("un-ionised-ammonia", 0.5, "critical"),
            ("water-temperature", 11.0, "critical"),
            ("water-temperature", 20.0, "advisory"),
            ("total-ammonia-nitrogen", 4.0, "warning"),
            ("nitrite", 4.0, "critical"),
            ("nitrate", 2.0, "advisory"),
            ("water-level", 30.0, "critical"),
            ("water-level", 130.0, "warning"),
        ],
    )
    def test_one_quantity_out_of_range_is_enough(self, quantity: str, value: float, at_least: str) -> None:
        alone = [reading(quantity, value=value)]
        among = [*(reading(other) for other in WELL if other != quantity), *alone]
        assert level(alone) >= LEVELS.index(at_least)
        assert level(among) >= LEVELS.index(at_least)
        assert reply(among)["contributions"][0]["quantity"] == quantity

    @pytest.mark.parametrize("quantity", WELL)
    @pytest.mark.parametrize("change", [{"quality": "bad"}, {"value": None}, {"ageSeconds": 1e6}])
    def test_one_dead_probe_is_an_advisory_or_more_but_not_critical(self, quantity: str, change: Reading) -> None:
        assert 1 <= level([reading(each, **(change if each == quantity else {})) for each in WELL]) <= 2

    @pytest.mark.parametrize("change", [{"quality": "bad"}, {"ageSeconds": 1e6}])
    def test_all_probes_dead_is_a_warning_or_more(self, change: Reading) -> None:
        assert level([reading(each, **change) for each in WELL]) >= 2
        for quantity in WELL:
            assert level([reading(quantity, **change)]) >= 2

    def test_a_fast_fall_inside_the_range_is_an_advisory_or_more(self) -> None:
        assert level(state(ph={"ratePerHour": -0.3})) >= 1
        assert level(state(dissolved_oxygen={"value": 5.5, "ratePerHour": -2.0})) >= 2

    def test_more_oxygen_and_less_ammonia_are_never_too_fast(self) -> None:
        rising, falling = {"ratePerHour": 9.0}, {"ratePerHour": -9.0}
        assert (
            reply(state(dissolved_oxygen=rising, total_ammonia_nitrogen=falling, nitrite=falling))["level"] == "normal"
        )

    def test_the_worst_of_several_readings_counts(self) -> None:
        low, high = reading("ph", value=4.0), reading("ph")
        assert reply([low, high])["level"] == reply([high, low])["level"] == reply([low])["level"]
        entry = reply([high, reading("ph", quality="bad"), low])["contributions"]
        assert [each["quantity"] for each in entry] == ["ph"]
        assert entry[0]["reason"] == (
            "pH 4 is below its vital range (6 to 7.5); there is no pH reading that can be trusted"
        )


class TestPromises:
    def test_further_out_of_range_never_lowers_the_level_nor_the_severity(self) -> None:
        rng, mixes = random.Random(7), farms() + farms(["rainbow-trout"])
        tried = 0
        for _ in range(2500):
            ranges = rng.choice(mixes)
            readings = a_state_at_random(rng, ranges)
            moved = rng.choice(readings)
            low, high = ranges[moved["quantity"]]["best"]
            before = reply(readings, ranges)
            if low is not None and moved["value"] < low:
                moved["value"] -= rng.expovariate(1) * low
            elif high is not None and moved["value"] > high:
                moved["value"] += rng.expovariate(1) * high
            else:
                continue
            tried += 1
            after = reply(readings, ranges)
            assert LEVELS.index(after["level"]) >= LEVELS.index(before["level"])
            assert severity(after) >= severity(before) - 1e-12
        assert tried > 1000

    @pytest.mark.parametrize("quantity", WELL)
    def test_from_the_middle_outwards_the_severity_only_rises(self, quantity: str) -> None:
        for sign in (-1, 1):
            steps = [WELL[quantity] + sign * i / 200 * (3 * WELL[quantity] + 1) for i in range(200)]
            severities = [severity(reply([reading(quantity, value=value)])) for value in steps]
            assert all(b >= a - 1e-12 for a, b in pairwise(severities))

    def test_a_failed_probe_never_becomes_a_number(self) -> None:
        rng = random.Random(3)
        for _ in range(300):
            readings = a_state_at_random(rng, TILAPIA_AND_LETTUCE)
            failed = rng.choice(readings)
            failed |= rng.choice(({"quality": "bad"}, {"ageSeconds": 1e6}))
            said = reply(readings)
            for junk in (0.0, 85.0, -127.0, 1e308):
                failed |= {"value": junk, "ratePerHour": junk}
                assert reply(readings) == said

    def test_a_contribution_is_the_severity_less_that_without_it(self) -> None:
        rng = random.Random(5)
        for _ in range(200):
            readings = a_state_at_random(rng, TILAPIA_AND_LETTUCE)
            said = reply(readings)
            sizes = [abs(entry["contribution"]) for entry in said["contributions"]]
            assert sizes == sorted(sizes, reverse=True)
            assert {entry["quantity"] for entry in said["contributions"]} == {each["quantity"] for each in readings}
            for entry in said["contributions"]:
                well = [reading(r["quantity"]) if r["quantity"] == entry["quantity"] else r for r in readings]
                assert entry["contribution"] == pytest.approx(severity(said) - severity(reply(well)), abs=1e-8)

    def test_probabilities_are_probabilities_and_the_level_is_the_greatest(self) -> None:
        rng = random.Random(9)
        for _ in range(300):
            said = reply(a_state_at_random(rng, TILAPIA_AND_LETTUCE))
            assert list(said["probabilities"]) == list(LEVELS)
            assert math.isclose(sum(said["probabilities"].values()), 1)
            assert min(said["probabilities"].values()) >= 0
            assert said["probabilities"][said["level"]] == max(said["probabilities"].values())

    def test_falling_weights_are_refused(self) -> None:
        model = json.loads(WEIGHTS.read_text())
        model["scoreWeights"][0] = -0.1
        with pytest.raises(ValueError, match="negative"):
            Perceptron(model)

    def test_it_takes_well_under_a_millisecond(self) -> None:
        request = {"readings": state(ph={"value": 7.4}), "ranges": TILAPIA_AND_LETTUCE}
        # About 0.15 ms; the bound is loose for a busy machine.
        assert min(timeit.repeat(lambda: answer(request, b""), number=200, repeat=5)) / 200 < 0.001


class TestReasons:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"value": 8.9}, "pH 8.9 is above its vital range (6 to 7.5)"),
            ({"value": 7.2}, "pH 7.2 is above its best range (6 to 7)"),
            ({}, "pH 6.5 is in its best range (6 to 7)"),
            ({"ratePerHour": -0.3}, "pH 6.5 is in its best range (6 to 7), and falls by 0.3 an hour"),
            ({"quality": "suspect"}, "pH 6.5 is in its best range (6 to 7); the reading is suspect"),
            ({"quality": "bad"}, "there is no pH reading that can be trusted"),
            ({"ageSeconds": 18_000}, "the last pH reading is 5 hours old"),
        ],
    )
    def test_a_reason_is_a_plain_sentence(self, change: Reading, reason: str) -> None:
        assert reply([reading("ph", **change)])["contributions"][0]["reason"] == reason

    def test_what_the_model_cannot_judge_is_listed_once(self) -> None:
        others: list[Reading] = [{"quantity": "co2", "value": 1}, {"quantity": "co2"}, reading("nitrite")]
        said = reply([reading("ph"), *others], {"ph": TILAPIA_AND_LETTUCE["ph"]})
        assert said["ignored"] == ["co2", "nitrite"]


class TestErrors:
    @pytest.mark.parametrize(
        ("request_", "code", "field"),
        [
            ({}, "READINGS.INVALID", "readings"),
            ({"readings": [], "ranges": {}}, "READINGS.EMPTY", "readings"),
            ({"readings": [reading("ph")]}, "RANGES.INVALID", "ranges"),
            ({"readings": [reading("ph")], "ranges": {}}, "READINGS.UNKNOWN", "readings"),
            ({"readings": ["ph"], "ranges": {}}, "READINGS.INVALID", "readings.0"),
        ],
    )
    def test_a_request_of_another_shape(self, request_: dict[str, Any], code: str, field: str) -> None:
        with pytest.raises(ScriptError) as raised:
            answer(request_, b"")
        assert (raised.value.code, raised.value.field) == (code, field)

    @pytest.mark.parametrize(
        ("change", "code", "field"),
        [
            ({"value": math.inf}, "READINGS.NOT_FINITE", "readings.0.value"),
            ({"value": 10**400}, "READINGS.NOT_FINITE", "readings.0.value"),
            ({"ratePerHour": math.nan}, "READINGS.NOT_FINITE", "readings.0.ratePerHour"),
            ({"value": "6.8"}, "READINGS.INVALID", "readings.0.value"),
            ({"value": True}, "READINGS.INVALID", "readings.0.value"),
            ({"ageSeconds": -1}, "READINGS.INVALID", "readings.0.ageSeconds"),
            ({"ageSeconds": None}, "READINGS.INVALID", "readings.0.ageSeconds"),
            ({"quality": "fine"}, "READINGS.INVALID", "readings.0.quality"),
            ({"quality": ["good"]}, "READINGS.INVALID", "readings.0.quality"),
        ],
    )
    def test_a_reading_of_another_shape(self, change: Reading, code: str, field: str) -> None:
        with pytest.raises(ScriptError) as raised:
            reply([reading("ph", **change)])
        assert (raised.value.code, raised.value.field) == (code, field)

    @pytest.mark.parametrize(
        ("entry", "field"),
        [
            (None, "ranges.ph"),
            ({"best": [6, 7]}, "ranges.ph.vital"),
            ({"best": [7, 6], "vital": [5, 8]}, "ranges.ph.best"),
            ({"best": [6, math.inf], "vital": [5, 8]}, "ranges.ph.best"),
            ({"best": [6, 7], "vital": ["5", 8]}, "ranges.ph.vital"),
            ({"best": [1, 2], "vital": [5, 8]}, "ranges.ph.best"),
        ],
    )
    def test_a_range_of_another_shape(self, entry: object, field: str) -> None:
        with pytest.raises(ScriptError) as raised:
            reply([reading("ph")], {"ph": entry})
        assert (raised.value.code, raised.value.field) == ("RANGE.INVALID", field)

    def test_an_open_best_range_is_cut_to_the_vital_one(self) -> None:
        said = reply([reading("ph", value=9.0)], {"ph": {"best": [None, None], "vital": [6, 8.5]}})
        assert LEVELS.index(said["level"]) >= 2

    def test_extremes_stay_finite(self) -> None:
        for quantity in WELL:
            for value in (1.7e308, -1.7e308):
                extreme = reply([reading(quantity, value=value, ratePerHour=value)])
                assert all(math.isfinite(each) for each in extreme["probabilities"].values())


class TestTraining:
    """Against generated labels, as the training script and the weights file say: there is no real labelled set."""

    def test_the_committed_weights_score_what_they_state(self) -> None:
        model = json.loads(WEIGHTS.read_text())
        assert model["plainly"] == PLAINLY
        trained = model["trainedWith"]
        for name in ("test", "heldOutSpecies"):
            samples = split(name, trained["seed"], trained["sampleCounts"][name])
            stated = model["scores"][name]["hiddenLayer"]
            assert scores(samples.y, predict(model, samples.x)) == pytest.approx(stated, abs=0.002)

    def test_the_hidden_layer_earns_its_place(self) -> None:
        for methods in json.loads(WEIGHTS.read_text())["scores"].values():
            hidden = methods["hiddenLayer"]
            for other in ("singleLayer", "hardThresholds", "majority"):
                assert hidden["macroF1"] > methods[other]["macroF1"] + 0.05
                assert hidden["falseAlarms"] <= methods[other]["falseAlarms"] or other == "majority"

    def test_training_is_deterministic_and_learns_from_little(self) -> None:
        def train() -> dict[str, Any]:
            return fit(split("train", 2, 3000), split("validation", 2, 1000), HIDDEN_UNITS, seed=2, epochs=25)

        once = train()
        assert once == train()
        samples = split("test", 2, 2000)
        assert scores(samples.y, predict(once, samples.x))["accuracy"] > 0.75

    def test_another_seed_gives_other_states(self) -> None:
        assert (split("test", 1, 50).x != split("test", 2, 50).x).any()
        assert split("test", 1, 50).x.shape == (50, len(FEATURES))

    def test_ammonia_follows_emerson(self) -> None:
        for celsius, ph, per_cent in (
            (25, 7, 0.564),
            (25, 8, 5.366),
            (25, 8.5, 15.205),
            (15, 8, 2.656),
            (30, 8, 7.432),
        ):
            assert 100 * unionised_fraction(celsius, ph) == pytest.approx(per_cent, abs=5e-3)


class TestContract:
    @pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
    def test_an_example_exchange(self, path: Path) -> None:
        example = json.loads(path.read_text())
        if "error" in example:
            with pytest.raises(ScriptError) as raised:
                answer(example["request"], b"")
            assert {"code": raised.value.code, "field": raised.value.field} == example["error"]
            return
        said, expected = answer(example["request"], b"")[0], example["reply"]
        entries, expected_entries = said.pop("contributions"), expected.pop("contributions")
        assert said.pop("probabilities") == pytest.approx(expected.pop("probabilities"), abs=1e-6)
        assert said == expected
        for entry, expected_entry in zip(entries, expected_entries, strict=True):
            assert entry.pop("contribution") == pytest.approx(expected_entry.pop("contribution"), abs=1e-6)
            assert entry == expected_entry

    def test_there_are_examples(self) -> None:
        assert len(CONTRACTS) >= 3

    def test_it_runs_alone(self) -> None:
        def alone(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            command = [sys.executable, "-m", "aquaponia.perceptron_notifications"]
            done = subprocess.run(
                command,
                input=json.dumps(request),
                capture_output=True,
                text=True,
                check=False,
                cwd=Path(__file__).parents[1],
            )
            return done.returncode, json.loads(done.stdout)

        status, said = alone({"readings": state(), "ranges": TILAPIA_AND_LETTUCE})
        assert (status, said["level"]) == (0, "normal")
        status, said = alone({"readings": [], "ranges": {}})
        assert (status, said["error"]["code"]) == (1, "READINGS.EMPTY")
