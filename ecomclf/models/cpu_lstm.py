"""An LSTM that is faster on a CPU than Keras' own, and a faster way to turn texts round for it.

The weights and the answers are the same.
"""

import functools
from typing import Any

import keras
from keras import activations, layers


class FastLSTM(layers.LSTM):
    """`keras.layers.LSTM`, its sequence read by one operation instead of a loop of many.

    What that operation cannot do is done as in the class above. It is never saved: a model is
    trained and asked through a copy made by `with_fast_lstms`, and saved as it was.
    """

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        """Read float32 [batch, length, size]; gives [batch, length, units], or the last of it."""
        cell = self.cell
        plain = (
            mask is None
            and initial_state is None
            and not (self.stateful or self.return_state or self.go_backwards)
            and cell.use_bias
            and self.compute_dtype == "float32"
            and cell.activation is activations.tanh
            and cell.recurrent_activation is activations.sigmoid
            and not (training and (cell.dropout or cell.recurrent_dropout))
        )
        if not plain:
            return super().call(sequences, initial_state, mask, training)
        import tensorflow as tf

        weights = (cell.kernel, cell.recurrent_kernel, cell.bias)
        time_major = tf.transpose(sequences, [1, 0, 2])
        states = _read()(time_major, *map(tf.convert_to_tensor, weights))
        return tf.transpose(states, [1, 0, 2]) if self.return_sequences else states[-1]


class FastReverse(keras.Operation):
    """`keras.ops.take_along_axis` on axis 1, where the positions taken reverse a text.

    Whole positions are taken, not number by number; those of all texts' first words stand first, as
    a recurrent layer reads them. What is reversed twice is as it was, so the gradient is reversed
    too, where TensorFlow would add it up position by position.
    """

    def call(self, sequence: Any, positions: Any) -> Any:
        """Reverse float32 [batch, length, size], `positions` int32 [batch, length, 1]."""
        import tensorflow as tf

        texts = tf.shape(sequence)[0]
        places = tf.transpose(positions[:, :, 0]) * texts + tf.range(texts)

        def take(sequence: Any) -> Any:
            words_first = tf.transpose(sequence, [1, 0, 2])
            together = tf.reshape(words_first, [-1, sequence.shape[2]])
            return tf.transpose(tf.gather(together, places), [1, 0, 2])

        return tf.custom_gradient(lambda sequence: (take(sequence), take))(sequence)

    def compute_output_spec(self, sequence: Any, *_: Any) -> Any:
        """Give its shape and dtype, those of `sequence`."""
        return keras.KerasTensor(sequence.shape, sequence.dtype)


def with_fast_lstms(model: keras.Model) -> keras.Model:
    """Give a copy of a model with fast LSTMs and what they need, weights included.

    It is the model itself where they do not pay: another backend has no such operation, and a GPU
    has a better one.
    """
    if keras.backend.backend() != "tensorflow":
        return model
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return model

    def copy(layer: Any) -> Any:
        # An operation of `keras.ops`, whose class has no public name.
        if type(layer).__name__ == "TakeAlongAxis":
            return FastReverse()
        kind = FastLSTM if type(layer) is layers.LSTM else type(layer)
        return kind.from_config(layer.get_config())

    fast = keras.models.clone_model(model, clone_function=copy, recursive=True)
    fast.set_weights(model.get_weights())
    return fast


@functools.cache
def _read() -> Any:
    """Give a function: x [length, batch, size], kernel, recurrent kernel, bias → all states."""
    import tensorflow as tf

    def read(x: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        units = recurrent.shape[0]
        zeros = tf.zeros([tf.shape(x)[1], units], x.dtype)
        peephole = tf.zeros([units], x.dtype)  # asked for, not used
        # Its gates have Keras' order: input, forget, candidate, output.
        inputs = {
            "seq_len_max": tf.cast(tf.shape(x)[0], tf.int64),
            "x": x,
            "cs_prev": zeros,
            "h_prev": zeros,
            "w": tf.concat([kernel, recurrent], axis=0),
            "wci": peephole,
            "wcf": peephole,
            "wco": peephole,
            "b": bias,
            "use_peephole": False,
        }
        states = tf.raw_ops.BlockLSTMV2(cell_clip=0.0, **inputs)

        # The gradient that TensorFlow has for it takes the gates in the order of version 1.
        def gradient(of_states: Any) -> Any:
            found = tf.raw_ops.BlockLSTMGradV2(
                **inputs, **states._asdict(), cs_grad=tf.zeros_like(states.cs), h_grad=of_states
            )
            return (found.x_grad, *tf.split(found.w_grad, [kernel.shape[0], units]), found.b_grad)

        return states.h, gradient

    return tf.custom_gradient(read)
