"""A perceptron that finds everything normal; the first reading's value says how it misbehaves."""

from .misbehaviour import Message, serve


def _answer(_: Message, __: bytes) -> tuple[Message, bytes]:
    probabilities = {"normal": 1, "advisory": 0, "warning": 0, "critical": 0}
    reply = {
        "level": "normal",
        "probabilities": probabilities,
        "contributions": [],
        "ignored": [],
        "modelVersion": "flaky",
    }
    return reply, b""


serve("perceptron_notifications", lambda request: request["readings"][0]["value"], _answer)
