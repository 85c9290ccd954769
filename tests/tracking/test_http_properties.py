"""Whatever JSON is sent to a served model, the answer is a prediction or names the mistake."""

import asyncio
import json
from typing import Any

import mlflow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.pyfunc import scoring_server

pytestmark = pytest.mark.slow

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("case for phone")
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.just("text"), st.text()), inner, max_size=4),
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["inputs", "instances", "dataframe_records", "dataframe_split", "params", "signature_name"]
)
SPLIT = st.fixed_dictionaries(
    {"columns": st.lists(st.sampled_from(["text", "x"]), max_size=2), "data": VALUES}
)
BODIES = st.one_of(
    VALUES,
    st.dictionaries(KEYS, VALUES, max_size=2),
    st.fixed_dictionaries({"dataframe_split": SPLIT}),
    st.fixed_dictionaries({"inputs": st.lists(st.text(), max_size=5)}),
)


def post(app: Any, body: bytes) -> int:
    """Send a body to the application, without a network, and return the status."""
    statuses = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status"))

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/invocations",
        "raw_path": b"/invocations",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("test", 1),
        "server": ("test", 80),
    }
    asyncio.run(app(scope, receive, send))
    return int(statuses[0])


def test_any_json_is_answered(shop: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 200, or with a status that says that the request was wrong; never with a fault."""
    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
    app = scoring_server.init(mlflow.pyfunc.load_model("models:/shop/Production"))

    @settings(
        max_examples=1000,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(BODIES)
    def holds(body: Any) -> None:
        status = post(app, json.dumps(body).encode())
        assert status == 200 or 400 <= status < 500

    assert post(app, b'{"inputs": ["case for phone"]}') == 200
    assert post(app, b"{") == 400
    holds()
