"""Training and evaluation step on PyTorch."""

import torch


class Step:
    def train_step(self, data):
        with torch.no_grad():
            self.before_step()
        self.zero_grad()
        loss, report, carried = self._total_objective(data, training=True)
        self.optimizer.scale_loss(loss).backward()
        variables = self.trainable_weights
        gradients = [variable.value.grad for variable in variables]
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
            self._finish_step(data, carried)
            return self._record(loss, report, data)

    def test_step(self, data):
        with torch.no_grad():
            loss, report, _ = self._total_objective(data, training=False)
            return self._record(loss, report, data)

    @staticmethod
    def gather(tensor):
        """The rows as they are: one process trains on one device."""
        return tensor

    @staticmethod
    def _replicas():
        return 1


def get_random_state():
    """State of PyTorch's global generator, which Keras' dropout draws from."""
    return torch.get_rng_state().numpy()


def set_random_state(state):
    torch.set_rng_state(torch.from_numpy(state))
