import xml.etree.ElementTree as ElementTree

import keras

from ecomclf.config.schema import ModelConfig
from ecomclf.models.architecture import build_model
from ecomclf.models.architecture_diagram import draw_architecture

SVG = "{http://www.w3.org/2000/svg}"


def drawn(network: keras.Model) -> tuple[list[str], int]:
    """Return the titles in the boxes of a picture, and its number of arrows."""
    root = ElementTree.fromstring(draw_architecture(network))
    titles = [each.text or "" for each in root.iter(f"{SVG}text") if each.get("class") is None]
    return titles, sum("d" in path.attrib for path in root.findall(f"{SVG}path"))


def test_every_layer_has_a_box_with_its_weights() -> None:
    """Boxes name the layers of the network, and how many weights each has."""
    network = build_model(
        ModelConfig(embedding_dim=8, units=4, bidirectional=True, filters=6),
        vocabulary_size=50, classes=3, max_length=20,
    )  # fmt: skip
    titles, _ = drawn(network)
    assert len(titles) == len(network.layers)
    assert "embedding, 400 weights" in titles
    assert any(title.startswith("forward_1 (LSTM)") for title in titles)


def test_arrows_that_others_imply_are_left_out() -> None:
    """A shortcut past a layer that is passed anyway is not drawn; a real branch is."""
    ids = keras.Input((4,), name="ids")
    first = keras.layers.Dense(3, name="first")(ids)
    second = keras.layers.Dense(3, name="second")(ids)
    both = keras.layers.Concatenate(name="both")([first, second, ids])
    titles, arrows = drawn(keras.Model(ids, both))
    assert len(titles) == 4
    assert arrows == 4


def test_names_are_escaped() -> None:
    """A layer's name cannot end the picture's elements."""
    ids = keras.Input((4,), name="ids")
    network = keras.Model(ids, keras.layers.Dense(2, name="a<b&c")(ids))
    assert drawn(network)[0][1].startswith("a<b&c (Dense)")
