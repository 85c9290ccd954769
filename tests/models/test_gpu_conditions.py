"""What a GPU needs of the networks and of the set-up; checked where there is none."""

from typing import Any

import keras
import pytest
import tensorflow as tf

from ecomclf.config.schema import ModelConfig
from ecomclf.models.architecture import build_model
from ecomclf.models.cpu_lstm import with_fast_lstms
from ecomclf.runtime import tensorflow_setup


@pytest.mark.parametrize("encoder", ["lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("padding", ["none", "end"])
def test_recurrent_layers_keep_to_what_cudnn_computes(
    encoder: Any, layers: int, padding: Any
) -> None:
    """Keras takes cuDNN for these activations, without recurrent dropout, unrolling and masks."""
    config = ModelConfig(
        embedding_dim=4, units=3, encoder=encoder, layers=layers, padding=padding, dropout=0.3
    )
    model = build_model(config, vocabulary_size=9, classes=2, max_length=8)
    recurrent = [each for each in model.layers if isinstance(each, keras.layers.RNN)]
    assert len(recurrent) == 2 * layers
    for layer in recurrent:
        found = layer.get_config()
        assert (found["activation"], found["recurrent_activation"]) == ("tanh", "sigmoid")
        assert found["recurrent_dropout"] == 0.0
        assert (found["unroll"], found["use_bias"]) == (False, True)
        assert found.get("reset_after", True)
        assert found.get("use_cudnn", "auto") == "auto"
    masking = [each for each in model.layers if getattr(each, "mask_zero", False)]
    assert not masking
    assert not any(isinstance(each, keras.layers.Masking) for each in model.layers)


def test_with_a_gpu_keras_own_lstm_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The faster operation for CPUs does not exist there."""
    config = ModelConfig(embedding_dim=4, units=3)
    model = build_model(config, vocabulary_size=9, classes=2, max_length=8)
    assert with_fast_lstms(model) is not model
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: ["a GPU"])
    assert with_fast_lstms(model) is model


def test_workers_share_the_memory_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default the first process would take all of it."""
    growing = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"first {kind}"])
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda gpu, on: growing.append((gpu, on))
    )
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", lambda _: None)
    monkeypatch.setattr(tf.config.threading, "set_inter_op_parallelism_threads", lambda _: None)
    tensorflow_setup.start_tensorflow(1)
    assert growing == [("first GPU", True)]
