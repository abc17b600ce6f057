"""The wire, tried through a process of its own: whatever a script does, its standard output holds replies only."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PYTHON = Path(__file__).resolve().parents[1]

SCRIPT = """
import os, sys
from aquaponia.worker import ScriptError, run

def answer(request, payload):
    todo = request.get("todo")
    if todo == "chatter":
        print("a library greets the world", flush=True)
        os.write(1, b"so does its C code\\n")
        os.system("echo and its child")
    if todo == "refuse":
        raise ScriptError("INPUT.MISSING", "no inputs", "inputs")
    if todo == "fail":
        raise RuntimeError("a bug")
    if todo == "nan":
        return {"value": float("nan")}, b"bytes that must not follow an error"
    if todo == "unserialisable":
        return {"value": {1, 2}}, b"nor these"
    return {"todo": todo, "received": len(payload)}, payload[::-1]

run("sample", answer)
"""


def run_script(standard_input: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.run(command, cwd=PYTHON, input=standard_input, capture_output=True, timeout=30, check=False)


def message(identifier: int, request: Any, payload: bytes = b"") -> bytes:  # noqa: ANN401 - any JSON
    return json.dumps({"id": identifier, "request": request, "bytes": len(payload)}).encode() + b"\n" + payload


def serve(*messages: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """Send messages to a warm worker, check its first line and its end, and return its replies and their bytes."""
    done = run_script(b"".join(messages), "--worker")
    assert done.returncode == 0, done.stderr.decode()
    first, _, rest = done.stdout.partition(b"\n")
    assert json.loads(first) == {"ready": "sample", "protocol": 1}
    replies = []
    while rest:
        line, _, rest = rest.partition(b"\n")
        head = json.loads(line)
        size = head.get("bytes", 0)
        replies.append((head, rest[:size]))
        rest = rest[size:]
    return replies


def test_the_end_of_input_ends_the_worker() -> None:
    assert serve() == []


def test_ctrl_c_is_left_to_the_service() -> None:
    command = [sys.executable, "-c", SCRIPT, "--worker"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=PYTHON, stdin=pipe, stdout=pipe, stderr=pipe) as worker:
        assert worker.stdout
        assert worker.stdout.readline().startswith(b'{"ready"')
        worker.send_signal(signal.SIGINT)
        replies, complaints = worker.communicate(message(1, {"todo": "echo"}), timeout=30)
    assert json.loads(replies)["id"] == 1
    assert complaints == b""
    assert worker.returncode == 0


def test_replies_carry_the_id_and_the_time() -> None:
    ((head, payload),) = serve(message(7, {"todo": "echo"}))
    assert head["id"] == 7
    assert head["reply"] == {"todo": "echo", "received": 0}
    assert head["computeMs"] >= 0
    assert head["bytes"] == 0
    assert payload == b""


def test_bytes_travel_both_ways_whatever_they_hold() -> None:
    payloads = [b"\n{}\n\x00\xff", bytes(range(256)) * 4096]
    replies = serve(*(message(i, {"todo": "echo"}, payload) for i, payload in enumerate(payloads)))
    assert [payload for _, payload in replies] == [payload[::-1] for payload in payloads]
    assert [head["reply"]["received"] for head, _ in replies] == [len(payload) for payload in payloads]


def test_a_chatty_library_does_not_break_the_protocol() -> None:
    replies = serve(message(1, {"todo": "chatter"}, b"ab"), message(2, {"todo": "echo"}))
    assert [head["id"] for head, _ in replies] == [1, 2]
    assert replies[0][1] == b"ba"


@pytest.mark.parametrize(
    ("todo", "code"),
    [
        ("refuse", "INPUT.MISSING"),
        ("fail", "SCRIPT.FAILED"),
        ("nan", "REPLY.NOT_FINITE"),
        ("unserialisable", "SCRIPT.FAILED"),
    ],
)
def test_an_error_is_coded_and_the_worker_goes_on(todo: str, code: str) -> None:
    (failed, nothing), (served, _) = serve(message(1, {"todo": todo}, b"xyz"), message(2, {"todo": "echo"}))
    assert (failed["id"], failed["error"]["code"]) == (1, code)
    assert failed["error"]["message"]
    assert "reply" not in failed
    assert nothing == b""
    assert (served["id"], served["reply"]["todo"]) == (2, "echo")


def test_an_error_names_the_field_only_where_there_is_one() -> None:
    (refused, _), (failed, _) = serve(message(1, {"todo": "refuse"}), message(2, {"todo": "fail"}))
    assert refused["error"] == {"code": "INPUT.MISSING", "message": "no inputs", "field": "inputs"}
    assert failed["error"] == {"code": "SCRIPT.FAILED", "message": "RuntimeError: a bug"}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"id": 1, "request": {"value": NaN}, "bytes": 0}', "REQUEST.NOT_FINITE"),
        (b'{"id": 1, "request": {"value": -Infinity}, "bytes": 0}', "REQUEST.NOT_FINITE"),
        (b'{"id": 1, "request": {"value": 1e999}, "bytes": 0}', "REQUEST.NOT_FINITE"),
        (b"{broken", "REQUEST.NOT_JSON"),
        (b"\xff\xfe", "REQUEST.NOT_JSON"),
        (b"", "REQUEST.NOT_JSON"),
        (b"[1, 2]", "REQUEST.NOT_AN_OBJECT"),
    ],
)
def test_a_bad_line_is_a_coded_error_and_the_worker_goes_on(line: bytes, code: str) -> None:
    (failed, _), (served, _) = serve(line + b"\n", message(2, {"todo": "echo"}))
    assert failed["error"]["code"] == code
    assert served["id"] == 2


@pytest.mark.parametrize("request_", [None, [1], "text", 3])
def test_a_request_that_is_no_object_is_refused(request_: Any) -> None:  # noqa: ANN401 - any JSON
    (failed, _), (served, _) = serve(message(1, request_), message(2, {"todo": "echo"}))
    assert (failed["id"], failed["error"]["code"]) == (1, "REQUEST.NOT_AN_OBJECT")
    assert served["id"] == 2


def test_a_message_without_a_request_is_refused() -> None:
    (failed, _), _ = serve(b'{"id": 1, "bytes": 0}\n', message(2, {"todo": "echo"}))
    assert (failed["id"], failed["error"]["code"]) == (1, "REQUEST.NOT_AN_OBJECT")


@pytest.mark.parametrize("size", ["-1", '"3"', "1.5", "true"])
def test_a_length_that_is_no_count_is_refused(size: str) -> None:
    line = f'{{"id": 1, "request": {{"todo": "echo"}}, "bytes": {size}}}\n'.encode()
    (failed, _), (served, _) = serve(line, message(2, {"todo": "echo"}))
    assert (failed["id"], failed["error"]["code"]) == (1, "REQUEST.BAD_LENGTH")
    assert served["id"] == 2


def test_half_a_request_at_the_end_of_input_is_not_served() -> None:
    (served, _), *rest = serve(message(1, {"todo": "echo"}), b'{"id": 2, "request": {"todo": "ec')
    assert served["id"] == 1
    assert [head["error"]["code"] for head, _ in rest] == ["REQUEST.NOT_JSON"]


def test_half_a_payload_at_the_end_of_input_is_not_served() -> None:
    ((head, payload),) = serve(message(1, {"todo": "echo"}, b"four")[:-2])
    assert (head["id"], head["error"]["code"]) == (1, "REQUEST.TRUNCATED")
    assert payload == b""


def test_alone_it_answers_once() -> None:
    for request in (b'{"todo": "echo"}', b'{\n  "todo":\n  "echo"\n}\n', b'{"todo": "echo"}\n'):
        done = run_script(request)
        assert done.returncode == 0
        assert json.loads(done.stdout) == {"todo": "echo", "received": 0}
    assert json.loads(run_script(b'{"todo": "echo"}\n\x00\xffab').stdout)["received"] == 4


def test_alone_a_chatty_library_is_kept_off_standard_output() -> None:
    done = run_script(b'{"todo": "chatter"}')
    assert json.loads(done.stdout)["todo"] == "chatter"
    assert b"greets the world" in done.stderr


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "REQUEST.NOT_JSON"),
        (b"{broken", "REQUEST.NOT_JSON"),
        (b'{"value": NaN}', "REQUEST.NOT_FINITE"),
        (b"[]", "REQUEST.NOT_AN_OBJECT"),
        (b'{"todo": "refuse"}', "INPUT.MISSING"),
        (b'{"todo": "fail"}', "SCRIPT.FAILED"),
        (b'{"todo": "nan"}', "REPLY.NOT_FINITE"),
    ],
)
def test_alone_an_error_is_coded_and_the_status_is_1(text: bytes, code: str) -> None:
    done = run_script(text)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == code
