"""Serve a script's answer function: kept warm by the API, or alone for one request.

Kept warm (``--worker``), each message is a line of JSON, then the bytes it announces:

    in   {"id": 1, "request": {...}, "bytes": 0}
    out  {"id": 1, "reply": {...}, "computeMs": 0.1, "bytes": 0}
    out  {"id": 1, "error": {"code": "INPUT.MISSING", "message": "...", "field": "inputs"}}

The first line out is ``{"ready": "<script>", "protocol": 1}``. The process ends at the end of input.

Alone, standard input is the request itself (its first line, then raw bytes, or JSON throughout); one reply
is printed and the exit status is 0, or one coded error is printed and it is 1.
"""

import gc
import json
import math
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, NoReturn

import orjson

PROTOCOL = 1
LOOK_OUT_SECONDS = 0.0005
PROCESSORS_TO_LOOK_OUT = 3

Answer = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]


class ScriptError(Exception):
    """A request that the script understood and refuses: a stable code, a sentence, and the field at fault."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field

    def as_json(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.field is not None:
            error["field"] = self.field
        return error


def _refuse_constant(name: str) -> NoReturn:
    raise ScriptError("REQUEST.NOT_FINITE", f"{name} is not a finite number")


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _refuse_constant(text)
    return number


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_parse_float)
_strict_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def _parse(text: bytes) -> dict[str, Any]:
    try:
        message = _decoder.decode(text.decode())
    except ValueError as error:
        raise ScriptError("REQUEST.NOT_JSON", f"the request is not JSON: {error}") from error
    return _as_object(message)


def _as_object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        raise ScriptError("REQUEST.NOT_AN_OBJECT", "the request must be a JSON object")
    return value


def _read_payload(message: dict[str, Any], requests: BinaryIO) -> bytes:
    """Read the bytes that a message announces; a negative count would swallow the messages after it."""
    size = message.get("bytes", 0)
    if type(size) is not int or size < 0:
        raise ScriptError("REQUEST.BAD_LENGTH", "bytes must be a count: 0 or a positive integer", "bytes")
    payload = requests.read(size)
    if len(payload) < size:
        raise ScriptError("REQUEST.TRUNCATED", f"{size} bytes were announced and {len(payload)} came", "bytes")
    return payload


def _serialise(message: dict[str, Any]) -> bytes:
    line = orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
    # orjson is ten times as fast, and turns NaN and infinities into null without a word.
    return line if b"null" not in line else _serialise_strictly(message)


def _serialise_strictly(message: dict[str, Any]) -> bytes:
    try:
        return _strict_encoder.encode(message).encode() + b"\n"
    except ValueError as error:
        raise ScriptError("REPLY.NOT_FINITE", f"the reply holds NaN or an infinity: {error}") from error


def _explain(error: Exception) -> dict[str, Any]:
    if isinstance(error, ScriptError):
        return error.as_json()
    traceback.print_exception(error, file=sys.stderr)
    return {"code": "SCRIPT.FAILED", "message": f"{type(error).__name__}: {error}"}


def _reserve_standard_output() -> int:
    """Keep the real standard output for replies, and send whatever a library prints to standard error."""
    replies = os.dup(1)
    os.dup2(2, 1)
    return replies


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _look_out(poller: select.poll) -> None:
    """Look for the next request a little while, before sleeping until it comes.

    Waking a process that sleeps takes as long as a fuzzy evaluation, on both sides of the pipe, and when there is load
    the next request follows the last at once. With few processors, others need this one more.
    """
    give_up = time.perf_counter() + LOOK_OUT_SECONDS
    while not poller.poll(0) and time.perf_counter() < give_up:
        pass


def _serve(name: str, answer: Answer, requests: BinaryIO, replies: int) -> None:
    _write(replies, _serialise({"ready": name, "protocol": PROTOCOL}))
    poller = select.poll()
    poller.register(requests, select.POLLIN)
    looks_out = (os.cpu_count() or 1) >= PROCESSORS_TO_LOOK_OUT
    while line := requests.readline():
        identifier = None
        payload_out = b""
        try:
            message = _parse(line)
            identifier = message.get("id")
            payload_in = _read_payload(message, requests)
            request = _as_object(message.get("request"))
            started = time.perf_counter()
            reply, payload_out = answer(request, payload_in)
            compute_ms = round((time.perf_counter() - started) * 1000, 4)
            head = {"id": identifier, "reply": reply, "computeMs": compute_ms, "bytes": len(payload_out)}
            line_out = _serialise(head)
        except Exception as error:
            payload_out = b""
            line_out = _serialise({"id": identifier, "error": _explain(error)})
        _write(replies, line_out + payload_out if payload_out else line_out)
        if looks_out:
            _look_out(poller)


def _answer_once(answer: Answer, requests: BinaryIO, replies: int) -> int:
    everything = requests.read()
    line, _, payload = everything.partition(b"\n")
    try:
        try:
            request = _parse(line)
        except ScriptError:
            request, payload = _parse(everything), b""
        reply, _ = answer(request, payload)
        _write(replies, _serialise(reply))
    except Exception as error:
        _write(replies, _serialise({"error": _explain(error)}))
        return 1
    return 0


def run(name: str, answer: Answer) -> NoReturn:
    """Serve ``answer`` as the command line asks, then end the process."""
    # What was loaded to get here stays; the collector need not walk it during requests.
    gc.freeze()
    replies = _reserve_standard_output()
    if "--worker" in sys.argv[1:]:
        # Ctrl-C reaches the service's whole process group; the service ends its workers itself, when they are done.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _serve(name, answer, sys.stdin.buffer, replies)
        sys.exit(0)
    sys.exit(_answer_once(answer, sys.stdin.buffer, replies))
