"""Training and evaluation step of a pretext model on JAX.

All state comes in and goes out as lists of arrays, in the order of the
model's variables; inside a `keras.StatelessScope` the same methods run as on
the other backends.
"""

import jax
import keras

from keras_skeleton.training._data import inputs_of


class PretextStep:
    def train_step(self, state, data):
        trainable, others, optimizer, metrics = state
        inputs = inputs_of(data)

        def compute(trainable):
            known = [
                *zip(self.trainable_variables, trainable, strict=True),
                *zip(self.non_trainable_variables, others, strict=True),
                *zip(self.optimizer.variables, optimizer, strict=True),
            ]
            with keras.StatelessScope(state_mapping=known) as scope:
                loss, report, carried = self.objective(inputs, training=True)
                scaled = self.optimizer.scale_loss(loss)
            updated = _values(scope, self.non_trainable_variables)
            return scaled, (loss, report, carried, updated)

        gradients, (loss, report, carried, others) = jax.grad(
            compute, has_aux=True
        )(trainable)
        trainable, optimizer = self.optimizer.stateless_apply(
            optimizer, gradients, trainable
        )
        known = [
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(self.non_trainable_variables, others, strict=True),
            *zip(self.metrics_variables, metrics, strict=True),
        ]
        with keras.StatelessScope(state_mapping=known) as scope:
            self.after_step(carried)
            logs = self._record(loss, report, inputs)
        return logs, (
            _values(scope, self.trainable_variables),
            _values(scope, self.non_trainable_variables),
            optimizer,
            _values(scope, self.metrics_variables),
        )

    def test_step(self, state, data):
        trainable, others, metrics = state
        inputs = inputs_of(data)
        known = [
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(self.non_trainable_variables, others, strict=True),
            *zip(self.metrics_variables, metrics, strict=True),
        ]
        with keras.StatelessScope(state_mapping=known) as scope:
            loss, report, _ = self.objective(inputs, training=False)
            logs = self._record(loss, report, inputs)
        return logs, (
            trainable,
            _values(scope, self.non_trainable_variables),
            _values(scope, self.metrics_variables),
        )


def _values(scope, variables):
    return [scope.get_current_value(variable) for variable in variables]
