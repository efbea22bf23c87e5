"""Distillation: from a slower copy of a student, or between streams."""

import math

import keras
from keras import ops

from keras_skeleton.training.momentum import twin
from keras_skeleton.training.momentum import update_momentum
from keras_skeleton.training.step_model import PretextModel
from keras_skeleton.training.vectors import unit_vectors

CENTERINGS = ("sinkhorn", "mean", None)


class SelfDistillation(PretextModel):
    """Trains a student to say what a slower copy of it says of another view.

    For two views of each clip, the student's outputs `s` and the teacher's
    `t`, both `(2N, E)`, view after view:

        target = sinkhorn(t / teacher_temperature)
        loss   = cross-entropy(target of the other view,
                               softmax(s / student_temperature))
                 + koleo_weight * sum over the views of koleo(s)

    Sinkhorn-Knopp makes all outputs equally frequent in the batch, and KoLeo
    spreads each view's samples. No gradient flows to the teacher, which after
    each step follows the student, ever more slowly: its momentum rises from
    epoch to epoch along half a cosine, to 1 after the last one. (That KoLeo
    is summed, and the momentum constant within an epoch, are choices.)

    A batch is two views of the clips, a pair or a dict as `Views` makes it; or
    the clips alone, which then are both views.

    Args:
        student: The `Branch` to train.
        student_temperature: Divides the student's outputs.
        teacher_temperature: Divides the teacher's outputs.
        centering: What keeps the teacher from always saying the same:
            `"sinkhorn"`, `"mean"` (a running mean of its outputs is
            subtracted and there is a softmax; the published code adds a
            batch's sum where the mean is meant) or `None`, a softmax alone.
        koleo_weight: Weight of KoLeo.
        momentum: Share of the teacher's old weights that stays, at first.
        epochs: Epochs of the training, in which the momentum rises to 1.
        **kwargs: Arguments of `keras.Model`.

    Reference: Caron et al., Emerging Properties in Self-Supervised Vision
    Transformers, ICCV 2021, arXiv 2104.14294; Sablayrolles et al., Spreading
    Vectors for Similarity Search, ICLR 2019, arXiv 1806.03198.
    """

    def __init__(
        self,
        student,
        student_temperature=0.1,
        teacher_temperature=0.04,
        centering="sinkhorn",
        koleo_weight=0.1,
        momentum=0.996,
        epochs=10,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if centering not in CENTERINGS:
            raise ValueError(
                f"`centering` must be one of {CENTERINGS}. Received "
                f"centering={centering!r}."
            )
        self.student = student
        self.teacher = twin(student, "teacher")
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.centering = centering
        self.koleo_weight = koleo_weight
        self.momentum = momentum
        self.epochs = epochs
        self.center = self.add_weight(
            name="center",
            shape=(student.compute_output_shape(None)[-1],),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            # Every replica gathers the same outputs.
            aggregation="only_first_replica",
        )
        self.built = True

    @property
    def encoder(self) -> keras.Model:
        """The encoder of the student."""
        return self.student.encoder

    def call(self, clips, training=None):
        """Outputs of the student."""
        return self.student(clips, training=training)

    def objective(self, x, y, training):
        x = tuple(x.values()) if isinstance(x, dict) else x
        views = x if isinstance(x, list | tuple) else (x, x)
        student = [self.student(view, training=training) for view in views]
        teacher = [self.teacher(view, training=training) for view in views]
        teacher = ops.stop_gradient(ops.concatenate(teacher))
        loss = self.distill(ops.concatenate(student), self.targets(teacher))
        for outputs in student:
            loss = loss + self.koleo_weight * koleo(outputs)
        return loss, {}, teacher

    def targets(self, outputs):
        """Probabilities `(2N, E)` from the teacher's outputs."""
        if self.centering == "sinkhorn":
            return sinkhorn(outputs / self.teacher_temperature)
        if self.centering == "mean":
            outputs = outputs - ops.convert_to_tensor(self.center)
        return ops.softmax(outputs / self.teacher_temperature)

    def distill(self, outputs, targets):
        """Mean cross-entropy between each view and the other one's target.

        Args:
            outputs: The student's, `(2N, E)`, view after view.
            targets: Probabilities `(2N, E)`, view after view.
        """
        shares = ops.log_softmax(outputs / self.student_temperature)
        first, second = ops.split(targets, 2)
        targets = ops.concatenate([second, first])
        return -ops.mean(ops.sum(targets * shares, axis=-1))

    def after_step(self, carried):
        progress = ops.cast(self.epoch.value, "float32") / self.epochs
        falling = 0.5 * (1 + ops.cos(math.pi * ops.minimum(progress, 1.0)))
        momentum = 1 - (1 - self.momentum) * falling
        update_momentum(self.teacher, self.student, momentum)
        if self.centering == "mean":
            mean = ops.mean(self.gather(carried), axis=0)
            self.center.assign(0.9 * self.center + 0.1 * mean)


def sinkhorn(logits, iterations=3):
    """Probabilities `(N, E)` by which all outputs are equally frequent.

    The columns and rows of `exp(logits)` are scaled in turn to sum to `N / E`
    and 1 (Sinkhorn-Knopp), so that the rows are exact.

    Args:
        logits: Tensor `(N, E)`.
        iterations: How often both are scaled.

    Reference: Cuturi, Sinkhorn Distances, NeurIPS 2013, arXiv 1306.0895.
    """
    shares = ops.exp(logits - ops.max(logits))
    for _ in range(iterations):
        shares = shares / ops.mean(shares, axis=0, keepdims=True)
        shares = shares / ops.sum(shares, axis=1, keepdims=True)
    return shares


def koleo(vectors, epsilon=1e-8):
    """Mean of `-log` of the distance to the nearest other vector.

    Args:
        vectors: Tensor `(N, E)`; they are brought to length 1.
        epsilon: Added to differences and distances.

    Reference: Sablayrolles et al., Spreading Vectors for Similarity Search,
    ICLR 2019, arXiv 1806.03198.
    """
    vectors = unit_vectors(vectors)
    found = ops.matmul(vectors, ops.transpose(vectors))
    found = ops.where(ops.eye(ops.shape(found)[0], dtype=bool), -1.0, found)
    nearest = ops.take(vectors, ops.argmax(found, axis=1), axis=0)
    squares = ops.square(vectors - nearest + epsilon)
    distance = ops.sqrt(ops.sum(squares, axis=-1))
    return -ops.mean(ops.log(distance + epsilon))


def mutual_distillation(
    queries,
    keys,
    queues,
    num_entries,
    teacher_temperature=0.05,
    student_temperature=0.1,
):
    """What each stream's keys find in its queue, every other is to find.

    For every ordered pair of a teacher `a` and a student `b`

        KL(softmax(k_a queue_a / teacher_temperature) ||
           softmax(q_b queue_b / student_temperature))

    over the places of the teacher's most similar entries; the same places of
    both queues must hold keys of the same clip. No gradient flows to teachers.

    Args:
        queries: Dict of the streams' queries `(N, E)`, unit vectors.
        keys: Dict of their keys `(N, E)`.
        queues: Dict of the keys in their queues `(K, E)`.
        num_entries: Number of entries compared, at most `K`.
        teacher_temperature: See above.
        student_temperature: See above.

    Returns:
        The sum over the pairs of the mean over the batch.

    Reference: Mao et al., CMD: Self-supervised 3D Action Representation
    Learning with Cross-modal Mutual Distillation, ECCV 2022, arXiv
    2208.12448.
    """
    found = {
        stream: ops.matmul(query, ops.transpose(queues[stream]))
        for stream, query in queries.items()
    }
    total = 0.0
    for teacher, key in keys.items():
        key = ops.stop_gradient(key)
        similarity = ops.matmul(key, ops.transpose(queues[teacher]))
        least = ops.top_k(similarity, num_entries)[0][:, -1:]
        chosen = similarity >= least
        targets = _log_shares(similarity / teacher_temperature, chosen)
        for student, logits in found.items():
            if student == teacher:
                continue
            shares = _log_shares(logits / student_temperature, chosen)
            lost = ops.exp(targets) * (targets - shares)
            lost = ops.sum(ops.where(chosen, lost, 0.0), axis=1)
            total = total + ops.mean(lost)
    return total


def _log_shares(logits, chosen):
    """The logarithms of the softmax over the chosen entries of each row."""
    # The others' shares are 0 in float32.
    return ops.log_softmax(ops.where(chosen, logits, -1e9), axis=-1)
