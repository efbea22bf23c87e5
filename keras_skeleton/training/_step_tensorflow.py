"""Training and evaluation step of a pretext model on TensorFlow."""

import tensorflow as tf

from keras_skeleton.training._data import inputs_of


class PretextStep:
    def train_step(self, data):
        inputs = inputs_of(data)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            loss, report, carried = self.objective(inputs, training=True)
            # The gradients of all replicas are summed.
            scaled = self.optimizer.scale_loss(loss / replicas)
        variables = self.trainable_weights
        gradients = tape.gradient(scaled, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.after_step(carried)
        return self._record(loss, report, inputs)

    def test_step(self, data):
        inputs = inputs_of(data)
        loss, report, _ = self.objective(inputs, training=False)
        return self._record(loss, report, inputs)
