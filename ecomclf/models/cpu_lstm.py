"""An LSTM that is faster on a CPU than Keras' own, and a faster reversal of texts for it.

Weights, outputs and gradients are those of the stock layers.
"""

import functools
from typing import Any

import keras
from keras import activations, layers


class FastLSTM(layers.LSTM):
    """A `keras.layers.LSTM` that computes a whole sequence in one TensorFlow operation.

    The stock layer runs a loop with several operations per position. Options that the operation
    lacks, such as masks or other activations, fall back to the stock layer.

    A model with this layer is never saved: training and prediction use the copy that
    `with_fast_lstms` returns, and the original model is saved.
    """

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        """Return the states of float32 [batch, length, size]: [batch, length, units].

        Without `return_sequences` it is the last state, [batch, units].
        """
        cell = self.cell
        supported = (
            mask is None
            and initial_state is None
            and not (self.stateful or self.return_state or self.go_backwards)
            and cell.use_bias
            and self.compute_dtype == "float32"
            and cell.activation is activations.tanh
            and cell.recurrent_activation is activations.sigmoid
            and not (training and (cell.dropout or cell.recurrent_dropout))
        )
        if not supported:
            return super().call(sequences, initial_state, mask, training)
        import tensorflow as tf

        weights = (cell.kernel, cell.recurrent_kernel, cell.bias)
        time_major = tf.transpose(sequences, [1, 0, 2])
        states = _lstm_operation()(time_major, *map(tf.convert_to_tensor, weights))
        return tf.transpose(states, [1, 0, 2]) if self.return_sequences else states[-1]


class FastReverse(keras.Operation):
    """`keras.ops.take_along_axis` on axis 1, for positions that reverse each text.

    It gathers whole positions instead of single numbers, with time as the major axis, as recurrent
    layers read their input. Reversing twice is the identity, so the gradient is the reversed
    gradient; TensorFlow's own would add it up position by position.
    """

    def call(self, sequence: Any, positions: Any) -> Any:
        """Reverse float32 [batch, length, size] by `positions`, int32 [batch, length, 1]."""
        import tensorflow as tf

        rows = tf.shape(sequence)[0]
        indices = tf.transpose(positions[:, :, 0]) * rows + tf.range(rows)

        def reverse(sequence: Any) -> Any:
            time_major = tf.transpose(sequence, [1, 0, 2])
            flat = tf.reshape(time_major, [-1, sequence.shape[2]])
            return tf.transpose(tf.gather(flat, indices), [1, 0, 2])

        return tf.custom_gradient(lambda sequence: (reverse(sequence), reverse))(sequence)

    def compute_output_spec(self, sequence: Any, *_: Any) -> Any:
        """Return the output's shape and dtype, those of `sequence`."""
        return keras.KerasTensor(sequence.shape, sequence.dtype)


def with_fast_lstms(model: keras.Model) -> keras.Model:
    """Return a copy of a model with fast LSTMs and reversals, and with the same weights.

    Returns the model itself on a GPU, where Keras' own LSTM is faster (cuDNN), and with a backend
    other than TensorFlow, which lacks the operation.
    """
    if keras.backend.backend() != "tensorflow":
        return model
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return model

    def copy(layer: Any) -> Any:
        # The class of this `keras.ops` operation has no public name.
        if type(layer).__name__ == "TakeAlongAxis":
            return FastReverse()
        kind = FastLSTM if type(layer) is layers.LSTM else type(layer)
        return kind.from_config(layer.get_config())

    fast = keras.models.clone_model(model, clone_function=copy, recursive=True)
    fast.set_weights(model.get_weights())
    return fast


@functools.cache
def _lstm_operation() -> Any:
    """Return a function of x, kernel, recurrent kernel and bias that returns all states.

    x is float32 [length, batch, size], the states are float32 [length, batch, units].
    """
    import tensorflow as tf

    def operation(x: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        units = recurrent.shape[0]
        zeros = tf.zeros([tf.shape(x)[1], units], x.dtype)
        peephole = tf.zeros([units], x.dtype)  # required, but unused
        # Version 2 orders the gates as Keras does: input, forget, candidate, output.
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

        # TensorFlow's registered gradient assumes the gate order of version 1.
        def gradient(of_states: Any) -> Any:
            gradients = tf.raw_ops.BlockLSTMGradV2(
                **inputs, **states._asdict(), cs_grad=tf.zeros_like(states.cs), h_grad=of_states
            )
            of_kernels = tf.split(gradients.w_grad, [kernel.shape[0], units])
            return (gradients.x_grad, *of_kernels, gradients.b_grad)

        return states.h, gradient

    return tf.custom_gradient(operation)
