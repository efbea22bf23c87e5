"""Training and evaluation step on JAX.

All state comes in and goes out as lists of arrays, in the order of the
model's variables; inside a `keras.StatelessScope` the same methods run as on
the other backends.
"""

import jax
import keras


class Step:
    def train_step(self, state, data):
        trainable, others, optimizer, metrics = state
        with self._scope(trainable, others) as scope:
            self.before_step()
        others = _values(scope, self.non_trainable_variables)

        def compute(trainable):
            with self._scope(trainable, others, optimizer=optimizer) as scope:
                loss, report, carried = self._total_objective(
                    data, training=True
                )
                scaled = self.optimizer.scale_loss(loss)
            updated = _values(scope, self.non_trainable_variables)
            return scaled, (loss, report, carried, updated)

        gradients, (loss, report, carried, others) = jax.grad(
            compute, has_aux=True
        )(trainable)
        trainable, optimizer = self.optimizer.stateless_apply(
            optimizer, gradients, trainable
        )
        with self._scope(trainable, others, metrics=metrics) as scope:
            self._finish_step(data, carried)
            logs = self._record(loss, report, data)
        return logs, (
            _values(scope, self.trainable_variables),
            _values(scope, self.non_trainable_variables),
            optimizer,
            _values(scope, self.metrics_variables),
        )

    def test_step(self, state, data):
        trainable, others, metrics = state
        with self._scope(trainable, others, metrics=metrics) as scope:
            loss, report, _ = self._total_objective(data, training=False)
            logs = self._record(loss, report, data)
        return logs, (
            trainable,
            _values(scope, self.non_trainable_variables),
            _values(scope, self.metrics_variables),
        )

    def _scope(self, trainable, others, optimizer=None, metrics=None):
        """A scope in which the model's variables have these values."""
        known = [
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(self.non_trainable_variables, others, strict=True),
        ]
        if optimizer is not None:
            known += zip(self.optimizer.variables, optimizer, strict=True)
        if metrics is not None:
            known += zip(self.metrics_variables, metrics, strict=True)
        return keras.StatelessScope(state_mapping=known, collect_losses=True)

    @staticmethod
    def gather(tensor):
        """The rows as they are: arrays are those of all devices together."""
        return tensor

    @staticmethod
    def _replicas():
        return 1


def _values(scope, variables):
    return [scope.get_current_value(variable) for variable in variables]
