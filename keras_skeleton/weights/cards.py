"""Cards: what is known about pretrained weights, as plain data."""

import dataclasses
import json
import pathlib

from keras_skeleton import _download as download

PACKAGED_FOLDER = pathlib.Path(__file__).parent / "files"
# How a file is had: with the package, over the network at the first use, or
# from a page that only a browser can open.
OBTAINED = ("packaged", "fetched", "by hand")
# How weights that a score belongs to were trained, and its heading.
KINDS = {
    "linear": "linear",
    "1-nn": "1-nn",
    "finetuned": "fine-tuned",
    "from scratch": "from scratch",
    "supervised": "supervised",
    "fused": "fused",
    "weak": "without 3D labels",
}


@dataclasses.dataclass(frozen=True)
class File:
    """One file of pretrained weights.

    Attributes:
        name: Name of the file at its source, or in this package.
        obtained: `"packaged"` (part of this package), `"fetched"` (over the
            network, at the first use) or `"by hand"` (to be downloaded and
            converted).
        role: What is in the file, where a system publishes several.
        url: Direct address of the file, if it is fetched.
        page: Address of the page that offers the file, if it is had by hand.
        sha256: Hash of the file, if known.
        required: Whether conversion needs the file. The files that it does
            not need, a head for example, it takes all together or not at
            all.
    """

    name: str
    obtained: str
    role: str = "model"
    url: str = ""
    page: str = ""
    sha256: str = ""
    required: bool = True

    def __post_init__(self):
        if self.obtained not in OBTAINED:
            raise ValueError(
                f"`obtained` must be one of {', '.join(OBTAINED)}. Received "
                f"obtained={self.obtained!r} for the file {self.name!r}."
            )


@dataclasses.dataclass(frozen=True)
class Score:
    """A measured score, as counts; or a stated one, in percent.

    Attributes:
        measure: `"top1"`: test clips whose best class is the right one; or
            `"mAP at 10 cm"`: joints that are less than 10 cm off.
        kind: What was measured: `"linear"` (probe of the frozen encoder),
            `"1-nn"` (nearest neighbour in its features), `"finetuned"`,
            `"supervised"` (trained with labels from the start), `"fused"`
            (the networks of all streams or parts together),
            `"from scratch"` (what fine-tuning is to be compared with), or
            `"weak"` (poses learned without 3D labels).
        correct: Number of clips that are right.
        of: Number of clips.
        without_duplicates: Whether test clips that are exact copies of
            training clips are left out.
        percent: The score that a publication states, in place of counts.
        stated_by: Who states it.
        seed: Seed of another training by the same recipe that the score
            belongs to; `None` for the weights themselves.

    Raises:
        ValueError: If there are both counts and a stated score, or neither.
    """

    measure: str
    kind: str
    correct: int | None = None
    of: int | None = None
    without_duplicates: bool = False
    percent: float | None = None
    stated_by: str = ""
    seed: int | None = None

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(
                f"`kind` must be one of {', '.join(KINDS)}. Received "
                f"kind={self.kind!r}."
            )
        counts = [self.correct is not None, self.of is not None]
        stated = [self.percent is not None, bool(self.stated_by)]
        if not (all(counts) and not any(stated)) and not (
            all(stated) and not any(counts)
        ):
            raise ValueError(
                "A score is either a count (`correct` of `of`) or a stated "
                "number (`percent`, and `stated_by` whom). Received "
                f"{self!r}."
            )
        if all(counts) and not 0 <= self.correct <= self.of:
            raise ValueError(f"`correct` must be 0 to `of`. Received {self!r}.")

    @property
    def value(self) -> float:
        """The score in percent."""
        if self.percent is not None:
            return self.percent
        return 100 * self.correct / self.of

    def __str__(self):
        return f"{self.value:.1f}"


@dataclasses.dataclass(frozen=True)
class PretrainedWeights:
    """The card of registered weights: what is known about them.

    Attributes:
        system: Name of the system, for example `"mamp"`.
        name: Name to pass as `weights=`.
        configuration: Arguments of the application's constructor.
        files: Tuple of `File`.
        pretext: Further arguments of its pretext model's constructor.
        source: Who trained the weights, on what.
        licence: Licence of the weights.
        recipe: Dict of what the weights are evaluated by: `data_set` (a key
            of `datasets.formats.FORMATS`), `protocol`, `transforms` (as
            `layers.augmentation.serialize_transforms` describes them; all,
            those that make the stream included) and `stream` (its name, or
            that of a part of the body; `None` where there is only one);
            and `form`, where poses in a video must be brought to another
            form than that of the data set.
        scores: Tuple of `Score`.
        classes: Number of classes of the head, `None` without one.
        class_names: Names of the classes of the data, in label order.
        training: Tuple of dicts, the steps of a training by us, first to
            last; empty for the weights of others.
        notes: Anything else a user should know.
    """

    system: str
    name: str
    configuration: dict
    files: tuple
    pretext: dict = dataclasses.field(default_factory=dict)
    source: str = ""
    licence: str = ""
    recipe: dict = dataclasses.field(default_factory=dict)
    scores: tuple = ()
    classes: int | None = None
    class_names: tuple = ()
    training: tuple = ()
    notes: str = ""

    def __post_init__(self):
        settled = {
            "configuration": tuples(self.configuration),
            "files": _records(File, self.files),
            "scores": _records(Score, self.scores),
            "class_names": tuple(self.class_names),
            "training": tuple(self.training),
        }
        for name, value in settled.items():
            object.__setattr__(self, name, value)
        if not self.files:
            raise ValueError(f"The card of {self.name!r} names no file.")

    @property
    def obtained(self) -> str:
        """How all files are had: `"packaged"`, `"fetched"`, `"by hand"`."""
        return max((file.obtained for file in self.files), key=OBTAINED.index)

    @property
    def is_ours(self) -> bool:
        """Whether we trained the weights."""
        return bool(self.training)

    def score(
        self, kind, without_duplicates=False, measure="top1", seed=None
    ) -> Score | None:
        """The `Score` of a kind, or `None`."""
        wanted = (kind, without_duplicates, measure, seed)
        for score in self.scores:
            found = (score.kind, score.without_duplicates, score.measure)
            if (*found, score.seed) == wanted:
                return score
        return None

    def path(self) -> pathlib.Path:
        """Path of the weights to load; fetches the file if need be.

        Raises:
            FileNotFoundError: If the weights must be obtained by hand; the
                message says from where and how to install them.
        """
        file = self.files[0]
        if self.obtained == "fetched":
            return download.fetch(file.url, file.sha256 or None)
        if self.obtained == "packaged":
            path = PACKAGED_FOLDER / file.name
            if not path.is_file():
                raise FileNotFoundError(
                    f"The file {file.name} is missing from the installed "
                    "package. Install keras-skeleton again."
                )
            return path
        path = installed_path(self.system, self.name)
        if not path.is_file():
            get = " and ".join(f"{f.name} from {f.page}" for f in self.files)
            words = " ".join(
                "FILE" if len(self.files) == 1 else f"{file.role.upper()}_FILE"
                for file in self.files
            )
            raise FileNotFoundError(
                f"The weights {self.name!r} of {self.system} are offered for "
                f"download by hand only. Get {get} and install it once with: "
                f"keras-skeleton convert {self.system} {self.name} {words}"
            )
        return path


def installed_path(system, name):
    """Where converted weights lie."""
    return download.cache_folder() / f"{system}_{name}.safetensors"


def packaged(system):
    """Paths of the cards of packaged weights, by name."""
    prefix = f"{system}_"
    return {
        path.stem.removeprefix(prefix): path
        for path in sorted(PACKAGED_FOLDER.glob(f"{prefix}*.json"))
    }


def read(path, system, name, **missing):
    """Reads a packaged card.

    Args:
        path: The `.json` file.
        system: Name of the system.
        name: Name of the weights.
        **missing: Functions of no argument that give what the card leaves
            out, by attribute.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    file = {
        "name": path.with_suffix(".safetensors").name,
        "obtained": "packaged",
    }
    content.setdefault("files", [file])
    for key, make in missing.items():
        if key not in content:
            content[key] = make()
    return PretrainedWeights(system=system, name=name, **content)


def tuples(arguments):
    """JSON has no tuples; shapes are tuples."""
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in arguments.items()
    }


def _records(cls, items):
    return tuple(
        cls(**item) if isinstance(item, dict) else item for item in items
    )
