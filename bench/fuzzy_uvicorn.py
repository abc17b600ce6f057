"""The limit to compare with: our own controller in-process behind FastAPI, one uvicorn process on the loopback.

``python bench/fuzzy_uvicorn.py --port 0`` prints ``{"port": 12345}`` as soon as it listens; then POST /evaluate.
"""

import argparse
import json
import socket
import sys
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))

from aquaponia.fuzzy_controller import DEFAULT_CONTROLLER, Evaluation, compiled


class EvaluateRequest(BaseModel):
    """Inputs by name, on the default ranges."""

    inputs: dict[str, float]


class Output(BaseModel):
    """A proposal, or null where no rule fired."""

    output: str
    value: float | None = Field(ge=0, le=100)
    unit: str


class Input(BaseModel):
    """An input as it was used."""

    input: str
    value: float
    clipped: bool
    terms: dict[str, Annotated[float, Field(ge=0, le=1)]]


class FiredRule(BaseModel):
    """A rule that fired."""

    rule: str
    strength: float = Field(gt=0, le=1)
    reason: str


class EvaluateReply(BaseModel):
    """The script's reply."""

    controller: str
    version: str
    outputs: list[Output]
    inputs: list[Input]
    rules: list[FiredRule]
    missing: list[str]


app = FastAPI()
controller = compiled(DEFAULT_CONTROLLER)


@app.post("/evaluate", response_model=EvaluateReply)
async def evaluate(request: EvaluateRequest) -> Evaluation:
    """Evaluate in the event loop: at 0.1 ms, a thread would cost more than it frees."""
    return controller.evaluate(request.inputs)


def main() -> None:
    """Listen, say where, and serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    listener = socket.create_server(("127.0.0.1", parser.parse_args().port), backlog=2048)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
