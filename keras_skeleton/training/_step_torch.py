"""Training and evaluation step of a pretext model on PyTorch."""

import torch

from keras_skeleton.training._data import inputs_of


class PretextStep:
    def train_step(self, data):
        inputs = inputs_of(data)
        self.zero_grad()
        loss, report, carried = self.objective(inputs, training=True)
        self.optimizer.scale_loss(loss).backward()
        variables = self.trainable_weights
        gradients = [variable.value.grad for variable in variables]
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
            self.after_step(carried)
            return self._record(loss, report, inputs)

    def test_step(self, data):
        inputs = inputs_of(data)
        with torch.no_grad():
            loss, report, _ = self.objective(inputs, training=False)
            return self._record(loss, report, inputs)


def get_random_state():
    """State of PyTorch's global generator, which Keras' dropout draws from."""
    return torch.get_rng_state().numpy()


def set_random_state(state):
    torch.set_rng_state(torch.from_numpy(state))
