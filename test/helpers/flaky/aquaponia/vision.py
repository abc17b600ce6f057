"""Vision that sees no plants and hands the photo back as its overlay; the width says how it misbehaves."""

from .misbehaviour import Message, serve


def _answer(request: Message, pixels: bytes) -> tuple[Message, bytes]:
    share = {"value": 0, "unit": "%"}
    reply = {
        "canopyCover": share,
        "greenness": {"value": 0, "unit": "1"},
        "yellowing": share,
        "browning": share,
        "confidence": 0,
        "threshold": 0,
        "method": "flaky",
        "overlay": {"width": request["width"], "height": request["height"], "channels": 3},
    }
    return reply, pixels


serve("vision", lambda request: request["width"], _answer)
