"""Training and evaluation step on TensorFlow."""

import tensorflow as tf


class Step:
    def train_step(self, data):
        self.before_step()
        with tf.GradientTape() as tape:
            loss, report, carried = self._total_objective(data, training=True)
            # The gradients of all replicas are summed.
            scaled = self.optimizer.scale_loss(loss / self._replicas())
        variables = self.trainable_weights
        gradients = tape.gradient(scaled, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self._finish_step(data, carried)
        return self._record(loss, report, data)

    def test_step(self, data):
        loss, report, _ = self._total_objective(data, training=False)
        return self._record(loss, report, data)

    @staticmethod
    def gather(tensor):
        """Rows of all replicas, one replica's after the other."""
        if Step._replicas() == 1:
            return tensor
        return tf.distribute.get_replica_context().all_gather(tensor, axis=0)

    @staticmethod
    def _replicas():
        return tf.distribute.get_strategy().num_replicas_in_sync
