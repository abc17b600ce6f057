"""A fuzzy controller without rules; the water level says how it misbehaves."""

from .misbehaviour import Message, serve


def _answer(_: Message, __: bytes) -> tuple[Message, bytes]:
    reply = {"controller": "flaky", "version": "1", "outputs": [], "inputs": [], "rules": [], "missing": []}
    return reply, b""


serve("fuzzy_controller", lambda request: request["inputs"].get("water-level"), _answer)
