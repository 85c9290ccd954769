"""The registered model behind `mlflow models serve`, on the loopback address."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecomclf.models.classifier import Classifier

pytestmark = pytest.mark.slow

REQUESTS, CLIENTS = 2000, 16


class Server:
    """A running server, and the classifier that it should agree with."""

    def __init__(self, classifier: Classifier, port: int) -> None:
        self.classifier = classifier
        self.url = f"http://127.0.0.1:{port}"

    def post(self, body: object) -> tuple[int, Any]:
        """Send a request; gives status and JSON, whatever they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/invocations", data, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def check(self, texts: list[str], body: object) -> None:
        """Check that a request is answered as the classifier answers."""
        self.compare(self.classifier.predict_proba(texts), body)

    def compare(self, expected: np.ndarray, body: object) -> None:
        """Check that a request is answered with these probabilities."""
        status, answer = self.post(body)
        assert status == 200, answer
        got = [
            [row[f"probability.{name}"] for name in self.classifier.classes_]
            for row in answer["predictions"]
        ]
        np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.fixture
def server(shop: Classifier, store: Path) -> Iterator[Server]:
    """Serve a small registered model, by alias."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["-m", "models:/shop@production", "--env-manager", "local", "-p", str(port)]
    with (store / "server.txt").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", "serve", "-h", "127.0.0.1", *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            # MLflow starts `uvicorn` by its name.
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            start_new_session=True,
        )
        try:
            wait_until_it_answers(port, process, store / "server.txt")
            yield Server(shop, port)
        finally:
            # The server that MLflow starts may wait for connections before it ends.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)


def wait_until_it_answers(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait for the first answer to a ping."""
    limit = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5)
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < limit, log.read_text()
            time.sleep(0.2)


def test_the_model_answers_over_http(server: Server) -> None:
    """All four JSON forms work; bad requests get 4xx and a reason; a burst loses nothing."""
    texts = ["Case for phone", "", "phone with case"]
    frame = {
        "columns": ["other", "text"],
        "data": [[number, text] for number, text in enumerate(texts)],
    }
    server.check(texts, {"dataframe_split": frame})
    server.check(texts, {"dataframe_records": [{"text": text} for text in texts]})
    server.check(texts, {"instances": texts})
    server.check(texts, {"inputs": texts})
    server.check(texts, {"inputs": {"text": texts}})
    server.check(texts[:1], {"inputs": texts[0]})
    server.check(texts, {"inputs": [[text] for text in texts]})
    server.check(texts, {"instances": [[text] for text in texts]})
    server.check(["", "phone"], {"dataframe_records": [{"text": None}, {"text": "phone"}]})

    for bad in (
        {"dataframe_records": [{"title": "a"}]},
        {"instances": [1, 2]},
        {"nothing": []},
        b"no json",
        b"\xff\xfe",
    ):
        status, answer = server.post(bad)
        assert 400 <= status < 500, (bad, answer)
        assert answer

    burst = [" ".join(["phone", "case", "for"][: 1 + n % 3]) + f" {n % 7}" for n in range(21)]
    expected = server.classifier.predict_proba(burst)

    def ask(number: int) -> None:
        at = number % len(burst)
        server.compare(expected[at : at + 1], {"inputs": [burst[at]]})

    with ThreadPoolExecutor(CLIENTS) as clients:
        assert len(list(clients.map(ask, range(REQUESTS)))) == REQUESTS
