import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model

import ecomclf
from ecomclf.config.schema import ModelConfig
from ecomclf.errors import RequestError
from ecomclf.models.architecture import build_model
from ecomclf.models.classifier import Classifier
from ecomclf.serving.plain_files import export_version
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.vectorizer import Vectorizer
from ecomclf.tracking.connection import connect
from ecomclf.tracking.registry import Registry

pytestmark = pytest.mark.slow

TEXTS = ["Case for PHONE!", "phones with case", "", "something else"]

# Removes every way in which the installed package could be imported.
WITHOUT_THE_PACKAGE = """if True:
    import importlib.util, json, os, sys
    sys.meta_path = [f for f in sys.meta_path if "editable" not in str(f)]
    sys.path = [p for p in sys.path if p and not os.path.exists(os.path.join(p, "ecomclf"))]
    assert importlib.util.find_spec("ecomclf") is None
    import mlflow, numpy as np, pandas as pd
"""


def a_classifier() -> Classifier:
    """Return a classifier with random weights; a stemmer is among its cleaning steps."""
    keras.utils.set_random_seed(1)
    cleaner = Cleaner(["lowercase", "punctuation", "porter"])
    words = cleaner.clean(["case for phone with"])
    vectorizer = Vectorizer.fit(words, max_tokens=20, max_length=10)
    network = build_model(
        ModelConfig(embedding_dim=6, units=5), vocabulary_size=20, classes=2, max_length=9
    )
    return Classifier(cleaner, vectorizer, network, ["Cases & Co", "Phones"])


@pytest.fixture
def registered(store: Path) -> Classifier:
    """Register a classifier as version 1 of `shop`."""
    classifier = a_classifier()
    run = connect("flavors").start_run("train", "one", tags={})
    keys = {"train": np.arange(3, dtype=np.uint64)}
    registry = Registry(connect("flavors").uri, "shop")
    model = run.log_model(classifier, keys, {})
    registry.register(run, model, study="s", study_id="i", trials="4", recipe="r")
    return classifier


def in_fresh_interpreter(script: str, folder: Path) -> Any:
    """Run a script in a folder, without the package; return the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_PACKAGE + script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_registered_models_load_without_the_package(registered: Classifier, tmp_path: Path) -> None:
    """`mlflow.keras` needs no code of this package; the pyfunc carries the code that it needs."""
    script = """
    import tensorflow as tf
    network = mlflow.keras.load_model("models:/shop/1")
    cleaned = network(tf.constant(["case for phone", ""])).numpy().tolist()
    assert importlib.util.find_spec("ecomclf") is None
    model = mlflow.pyfunc.load_model("models:/shop/1")
    answers = model.predict(pd.DataFrame({"text": ["Case for PHONE!", None], "price": [1, 2]}))
    import ecomclf
    assert "artifacts" in ecomclf.__file__, ecomclf.__file__
    columns = [name for name in answers if name.startswith("probability.")]
    print(json.dumps({"cleaned": cleaned, "raw": answers[columns].to_numpy().tolist()}))
    """
    (tmp_path / "elsewhere").mkdir()
    answers = in_fresh_interpreter(script, tmp_path / "elsewhere")
    cleaned = registered.predict_proba(["case for phone", ""])
    np.testing.assert_allclose(answers["cleaned"], cleaned, atol=1e-5)
    raw = registered.predict_proba(["Case for PHONE!", ""])
    np.testing.assert_allclose(answers["raw"], raw, atol=1e-4)


def test_the_pyfunc_carries_the_whole_package(registered: Classifier, tmp_path: Path) -> None:
    """Every module of every wing is in the artifact's code folder, from which it is imported."""
    script = """
    from pathlib import Path
    mlflow.pyfunc.load_model("models:/shop/1")
    import ecomclf
    folder = Path(ecomclf.__file__).parent
    assert "artifacts" in folder.parts, folder
    print(json.dumps([str(path.relative_to(folder)) for path in folder.rglob("*.py")]))
    """
    (tmp_path / "elsewhere").mkdir()
    carried = in_fresh_interpreter(script, tmp_path / "elsewhere")
    package = Path(ecomclf.__file__).parent
    assert sorted(carried) == sorted(
        str(path.relative_to(package)) for path in package.rglob("*.py")
    )


def test_a_folder_with_a_space_gets_no_encoded_twin(workplace: Path) -> None:
    """Without a chosen address, MLflow makes `a%20b` beside `a b`; `connect` prevents it."""
    script = """if True:
        import os
        import numpy as np
        from ecomclf.tracking.connection import connect
        from ecomclf.tracking.registry import Registry
        from tests.tracking.test_mlflow_flavor import a_classifier
        tracking = connect("x")
        run = tracking.start_run("train", "one", tags={})
        run.log_text("text", "kept.txt")
        model = run.log_model(a_classifier(), {"train": np.arange(3, dtype=np.uint64)}, {})
        registry = Registry(tracking.uri, "shop")
        registry.register(run, model, study="s", study_id="i", trials="4", recipe="r")
        assert len(registry.load(registry.resolve(version="1")).classes_) == 2
        run.finish("FINISHED")
        os.chdir("../c d")
        connect("x").start_run("train", "two", tags={}).finish("FINISHED")
    """
    for name in ("a b", "c d"):
        (workplace / name).mkdir()
    variables = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=workplace / "a b",
        env=variables | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(workplace)) == ["a b", "c d"]
    assert sorted(os.listdir(workplace / "a b")) == ["mlflow.db", "mlruns"]
    (artifact,) = (workplace / "a b" / "mlruns").glob("1/*/artifacts/kept.txt")
    assert artifact.read_text() == "text"
    assert os.listdir(workplace / "c d") == ["mlflow.db"]


def test_pyfunc_keeps_the_order_of_rows(registered: Classifier) -> None:
    """Tables keep their index too; label, confidence and probabilities agree."""
    model = mlflow.pyfunc.load_model("models:/shop/1")
    expected = registered.predict_proba(TEXTS)
    table = pd.DataFrame({"other": range(4), "text": TEXTS}, index=[7, 5, 3, 1])
    for answers in (model.predict(table), model.predict(TEXTS)):
        probabilities = answers[["probability.Cases & Co", "probability.Phones"]].to_numpy()
        np.testing.assert_allclose(probabilities, expected, atol=1e-6)
        best = [registered.classes_[at] for at in expected.argmax(axis=1)]
        assert answers["label"].tolist() == best
        np.testing.assert_allclose(answers["confidence"], expected.max(axis=1), atol=1e-6)
        # The last two texts have no word that the vocabulary has.
        assert answers["needs_review"].tolist() == [False, False, True, True]
    assert model.predict(table).index.tolist() == [7, 5, 3, 1]


def test_pyfunc_accepts_missing_texts_and_unpaired_surrogates(registered: Classifier) -> None:
    """In small requests as in large ones."""
    model = mlflow.pyfunc.load_model("models:/shop/1")
    names = [f"probability.{name}" for name in registered.classes_]
    missing = pd.Series(["case", None, float("nan")])
    expected = registered.predict_proba(["case", "", ""])
    np.testing.assert_allclose(model.predict(missing)[names], expected, atol=1e-6)
    cut = ["case", "phone \ud83d"]
    few, many = (model.predict(texts)[names].to_numpy() for texts in (cut, cut * 3))
    np.testing.assert_allclose(few, many[:2], atol=1e-5)


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("Case for PHONE!", ["Case for PHONE!"]),
        (np.array("Case for PHONE!"), ["Case for PHONE!"]),
        ([["Case for PHONE!"], ["phones"]], ["Case for PHONE!", "phones"]),
        (np.array([["Case for PHONE!"], ["phones"]]), ["Case for PHONE!", "phones"]),
        (pd.DataFrame({"text": [["phones"], None]}), ["phones", ""]),
    ],
)
def test_pyfunc_accepts_a_string_and_one_element_lists(
    registered: Classifier, given: Any, texts: list[str]
) -> None:
    """The predictions are those of `Classifier.predict`."""
    model = mlflow.pyfunc.load_model("models:/shop/1")
    expected = registered.predict(texts, with_probabilities=True)
    pd.testing.assert_frame_equal(model.predict(given), expected, atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        pd.DataFrame({"title": ["a"]}),
        pd.DataFrame([["a", "b"], ["c", "d"]], columns=["text", "text"]),
        [1, 2],
        {"words": ["a"]},
        {"text": "a text by itself"},
        pd.DataFrame({"text": [["a", "b"], ["c"]]}),
    ],
)
def test_pyfunc_refuses_inputs_without_texts(registered: Classifier, wrong: object) -> None:
    """A table without the column, or values that are no strings, are a bad request."""
    model = mlflow.pyfunc.load_model("models:/shop/1")
    with pytest.raises(MlflowException, match="text") as caught:
        model.predict(wrong)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_version_is_found_by_its_recipe(registered: Classifier) -> None:
    """And by no other recipe, study or model."""
    uri = connect("flavors").uri
    found = Registry(uri, "shop").find(study_id="i", recipe="r")
    assert found is not None
    assert int(found.version) == 1
    assert Registry(uri, "shop").find(study_id="i", recipe="q") is None
    assert Registry(uri, "other").find(study_id="i", recipe="r") is None


def test_the_registry_loads_a_classifier_without_its_code(registered: Classifier) -> None:
    """It is the same classifier; no code from the artifact is run."""
    registry = Registry(connect("flavors").uri, "shop")
    loaded = registry.load(registry.resolve(version="1"))
    assert loaded.classes_ == registered.classes_
    np.testing.assert_allclose(
        loaded.predict_proba(TEXTS), registered.predict_proba(TEXTS), atol=1e-6
    )


def test_an_artifact_contains_no_pickle(registered: Classifier, store: Path) -> None:
    """Every file is text, a Keras archive or arrays; none begins like a pickle."""
    (folder,) = store.glob("mlruns/*/models/*/artifacts")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {
        "",
        ".j2",
        ".json",
        ".keras",
        ".npz",
        ".py",
        ".typed",
        ".txt",
        ".yaml",
    }
    assert not [path for path in files if path.read_bytes()[:1] == b"\x80"]
    with np.load(folder / "data" / "group_keys.npz", allow_pickle=False) as keys:
        assert keys["train"].tolist() == [0, 1, 2]


def test_a_version_that_no_sweep_registered_cannot_be_exported(
    registered: Classifier, tmp_path: Path
) -> None:
    """The message names the missing files; nothing is written."""
    registry = Registry(connect("flavors").uri, "shop")
    with pytest.raises(
        RequestError, match=r"version 1 of shop has no config\.yaml, ensemble\.json"
    ):
        export_version(registry, registry.resolve(version="1"), tmp_path / "out", force=False)
    assert not (tmp_path / "out").exists()


def test_a_version_has_an_example_of_its_input(registered: Classifier, tmp_path: Path) -> None:
    """MLflow reads it back, and the model takes it."""
    folder = mlflow.artifacts.download_artifacts("models:/shop/1", dst_path=str(tmp_path))
    example = Model.load(folder).load_input_example(folder)
    assert list(example.columns) == ["text"]
    answers = mlflow.pyfunc.load_model("models:/shop/1").predict(example)
    assert len(answers) == len(example) > 0
