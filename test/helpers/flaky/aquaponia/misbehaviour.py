"""Speaks the wire of the real scripts, and misbehaves where a request asks for it by its number.

The same numbers stand in ``test/helpers/flaky.ts``. How a start goes wrong is told by files beside this package.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

Message = dict[str, Any]
# Long beside every deadline of a test, and short enough that nothing outlives a failed one for long.
FOREVER_S = 60


def write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def line(message: object) -> bytes:
    return json.dumps(message).encode() + b"\n"


def replying(message: Message, **changes: object) -> bytes:
    """Make the reply's line with some members of the reply changed."""
    return line({**message, "reply": {**message["reply"], **changes}})


def hang() -> None:
    time.sleep(FOREVER_S)


def die(_: Message, __: bytes) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(_: Message, __: bytes) -> None:
    sys.exit(0)


def hang_silently(_: Message, __: bytes) -> None:
    hang()


def print_garbage(_: Message, __: bytes) -> None:
    write(b"Segmentation fault (core dumped)\n")


def print_half_and_hang(message: Message, _: bytes) -> None:
    write(line(message)[:20])
    hang()


def print_half_and_leave(message: Message, _: bytes) -> None:
    write(line(message)[:20])
    sys.exit(0)


def print_a_list(message: Message, _: bytes) -> None:
    write(line([message]))


def print_an_endless_line(_: Message, __: bytes) -> None:
    write(b"x" * 17 * 1024 * 1024)
    hang()


def reply_without_a_field(message: Message, _: bytes) -> None:
    *most, _last = message["reply"]
    write(line({**message, "reply": {field: message["reply"][field] for field in most}}))


def reply_with_another_field(message: Message, _: bytes) -> None:
    write(replying(message, mood="sunny"))


def reply_with_a_wrong_type(message: Message, _: bytes) -> None:
    first = next(iter(message["reply"]))
    write(replying(message, **{first: 7}))


def reply_with_nothing(message: Message, _: bytes) -> None:
    write(line({**message, "reply": None}))


def reply_with_nan(message: Message, _: bytes) -> None:
    first = next(iter(message["reply"]))
    write(replying(message, **{first: float("nan")}))


def reply_with_infinity(message: Message, _: bytes) -> None:
    outputs = [{"output": "aeration", "value": "infinity", "unit": "%"}]
    write(replying(message, outputs=outputs).replace(b'"infinity"', b"1e999"))


def reply_to_another_request(message: Message, payload: bytes) -> None:
    write(line({**message, "id": message["id"] + 1000}) + payload)


def reply_twice(message: Message, payload: bytes) -> None:
    write((line(message) + payload) * 2)


def reply_with_impossible_bytes(message: Message, _: bytes) -> None:
    write(line({**message, "bytes": -1}))


def reply_with_half_the_bytes(message: Message, _: bytes) -> None:
    write(line({**message, "bytes": 1000}) + b"x" * 500)
    sys.exit(0)


def reply_without_the_bytes(message: Message, _: bytes) -> None:
    write(line({**message, "bytes": 0}))


def reply_after_chatter(message: Message, payload: bytes) -> None:
    for _ in range(1000):
        sys.stderr.write("a library warns of something that nobody can change\n" * 20)
    write(line(message) + payload)


def reply_late(message: Message, payload: bytes) -> None:
    time.sleep(0.7)
    write(line(message) + payload)


def refuse(message: Message, _: bytes) -> None:
    error = {"code": "INPUT.UNKNOWN", "message": "no such input", "field": "inputs.x"}
    write(line({"id": message["id"], "error": error}))


def fail(message: Message, _: bytes) -> None:
    write(line({"id": message["id"], "error": {"code": "SCRIPT.FAILED", "message": "ZeroDivisionError"}}))


def refuse_in_another_shape(message: Message, _: bytes) -> None:
    write(line({"id": message["id"], "error": "something is wrong"}))


def behave(message: Message, payload: bytes) -> None:
    write(line(message) + payload)


MISBEHAVIOURS: dict[int, Callable[[Message, bytes], None]] = {
    101: die,
    102: leave,
    103: hang_silently,
    104: print_garbage,
    105: print_half_and_hang,
    106: print_half_and_leave,
    107: print_a_list,
    108: print_an_endless_line,
    109: reply_without_a_field,
    110: reply_with_another_field,
    111: reply_with_a_wrong_type,
    112: reply_with_nothing,
    113: reply_with_nan,
    114: reply_with_infinity,
    115: reply_to_another_request,
    116: reply_twice,
    117: reply_with_impossible_bytes,
    118: reply_with_half_the_bytes,
    119: reply_after_chatter,
    120: reply_late,
    121: refuse,
    122: fail,
    123: refuse_in_another_shape,
    124: reply_without_the_bytes,
}


def serve(
    name: str,
    trigger: Callable[[Message], object],
    answer: Callable[[Message, bytes], tuple[Message, bytes]],
) -> NoReturn:
    """Answer requests as the script of this name would, but for those whose trigger is a number from above."""
    if Path(f"{name}.dies-at-start").exists():
        sys.exit(3)
    if Path(f"{name}.starts-slowly").exists():
        time.sleep(1.5)
    is_another = Path(f"{name}.is-another-script").exists()
    write(line({"ready": "another" if is_another else name, "protocol": 1}))
    while head := sys.stdin.buffer.readline():
        message = json.loads(head)
        payload = sys.stdin.buffer.read(message["bytes"])
        request = message["request"]
        reply, payload_out = answer(request, payload)
        misbehave = MISBEHAVIOURS.get(trigger(request), behave)  # type: ignore[call-overload]
        reply_message = {"id": message["id"], "reply": reply, "computeMs": 0.1, "bytes": len(payload_out)}
        misbehave(reply_message, payload_out)
    if Path(f"{name}.ignores-the-end").exists():
        hang()
    sys.exit(0)
