import http.client
import io
import json
import threading
import urllib.request

import numpy as np
import people
import pytest

from keras_skeleton import cli
from keras_skeleton import serving
from keras_skeleton.serving import Frame
from keras_skeleton.serving import live
from keras_skeleton.serving import live_server

pytestmark = pytest.mark.once


def frames(start=0.0, stop=4.0, rate=12):
    """A person who waves from 1.5 s on, and another who goes after 1 s."""
    for number, time in enumerate(np.arange(start, stop, 1 / rate)):
        found = [(20, 34, time >= 1.5)]
        if time < 1:
            found.append((80, 30, False))
        yield Frame(number, float(time), people.picture(found))


class Source:
    """Gives what it is told at each opening; an error is raised."""

    frame_rate = 12.0

    def __init__(self, *openings):
        self._openings = list(openings)

    def __iter__(self):
        for each in self._openings.pop(0):
            if isinstance(each, Exception):
                raise each
            yield each


def test_each_person_has_a_name_of_their_own():
    predictor = serving.LivePredictor(
        people.make_classifier(), people.make_estimator(), window=0.5
    )
    assert predictor.rate == 30
    said = {}
    for frame in frames():
        found = predictor.update(frame)
        assert len(found) == (2 if frame.time < 1 else 1)
        for each in found:
            said.setdefault(each.number, []).append((frame.time, each.name))
    assert said[1][0][1] is None
    names = {round(time, 2): name for time, name in said[1]}
    assert names[1.0] == "down" and names[2.5] == names[3.5] == "up"
    assert said[2][-1][1] == "down"
    # Nothing is kept of those who are gone, nor of what is long ago.
    (track,) = predictor._tracker.tracks
    assert len(track.times) == 2 and set(predictor._streams) == {1}
    assert predictor.seconds["classifier"] > 0


def test_poses_are_brought_over_once_for_each_prediction(monkeypatch):
    """Every frame of the weights' rate is seen, as if it came by itself."""
    estimator = people.make_estimator()
    predictor = serving.LivePredictor(
        people.make_classifier(frame_rate=10.0), estimator, step=0.5
    )
    bridge, made = predictor.classifier.bridge, []

    def record(*where):
        def bring(*poses):
            made.append(bridge(*where)(*poses))
            return made[-1]

        return bring

    monkeypatch.setattr(predictor.classifier, "bridge", record)
    # Fewer frames than the weights want, and a pause of 0.8 seconds.
    times = [0.0, 0.25, 0.5, 0.75, 1.0, 1.2, 2.0, 2.3, 2.6]
    for number, time in enumerate(times):
        image = people.picture([(20 + round(10 * time), 30, False)])
        predictor.update(Frame(number, time, image))
    assert [len(poses) for poses in made] == [6, 5, 10, 6]
    middles = np.concatenate(made)[:, :, 0].mean(-1)
    # Rounded places of pictures come back to within a pixel.
    np.testing.assert_allclose(np.diff(middles), 1, atol=0.6)


def test_it_goes_on_when_camera_and_estimator_are_back():
    failures = [RuntimeError("the model is gone")]

    def estimate(image):
        if failures:
            raise failures.pop()
        return people.estimate(image)

    few = list(frames(stop=1.0))
    source = Source(
        few,
        [*few[:3], ConnectionError("unplugged")],
        [],
        few,
    )
    stop, shown = threading.Event(), []

    def show(frame, found, message):
        shown.append(message or len(found))
        if frame is few[-1]:
            stop.set()

    serving.predict_live(
        people.make_classifier(),
        source,
        poses=estimate,
        show=show,
        stop=stop,
        wait=0.0,
    )
    assert shown[:6] == [
        "the model is gone Trying again.",
        *(2, 2, 2),
        "unplugged Trying again.",
        "The camera gives no more frames. Trying again.",
    ]
    assert shown[6:] == [2] * len(few)


def get(address, path="", host=None):
    request = urllib.request.Request(address + path)
    if host is not None:
        request.add_header("Host", host)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read()


def test_the_page():
    from PIL import Image

    with serving.LiveServer("coco17", port=0) as page:
        assert page.address.startswith("http://127.0.0.1:")
        assert b"state.json" in get(page.address)[1]
        state = json.loads(get(page.address, "state.json")[1])
        assert state["number"] == -1 and "Waiting" in state["message"]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(page.address, "frame.jpg")
        frame = next(frames())
        joints, scores = people.estimate(frame.image)
        person = serving.poses.Person(joints[0], scores[0])
        page(frame, [serving.LivePerson(1, person, "wave", 0.8)], "")
        state = json.loads(get(page.address, "state.json")[1])
        assert (state["number"], state["message"]) == (0, "")
        assert state["people"][0]["name"] == "wave"
        kind, data = get(page.address, "frame.jpg?0")
        assert kind == "image/jpeg"
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (96, 64)
        page(None, [], "The camera is gone.")
        state = json.loads(get(page.address, "state.json")[1])
        assert state["message"] == "The camera is gone."
        assert state["people"] == []
        for path, host, code in (
            ("state.json", "example.org", "403"),
            ("../live.py", None, "404"),
        ):
            with pytest.raises(urllib.error.HTTPError, match=code):
                get(page.address, path, host)
        port = int(page.address.rstrip("/").rpartition(":")[2])
        assert page._server.server_address == (live_server.HOST, port)
    with pytest.raises((ConnectionError, http.client.HTTPException, OSError)):
        get(page.address)


@pytest.mark.parametrize(
    ("name", "value"), [("window", 0), ("step", -1), ("threshold", 2)]
)
def test_odd_numbers(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a number"):
        serving.LivePredictor(
            people.make_classifier(), people.make_estimator(), **{name: value}
        )


def test_what_does_not_go_together(capsys):
    weights = ["--weights", "ctrgcn:nw_ucla"]
    for words, message in (
        ([], "either a VIDEO or --camera"),
        (["a.mp4", "--camera", "0"], "either a VIDEO or --camera"),
        (["--camera", "0", "--json", "a.json"], "no files are written"),
        (["a.mp4", "--serve"], "--serve shows a camera"),
    ):
        assert cli.main(["predict", *words, *weights]) == 2
        assert message in capsys.readouterr().err


def test_what_is_printed(capsys):
    printer = live.Printer()
    person = serving.poses.Person(np.ones((17, 2)), np.ones(17))
    frame = Frame(0, 1.25, None)
    for name in (None, "wave", "wave", "sit"):
        printer(frame, [serving.LivePerson(1, person, name, 0.5)], "")
    printer(None, [], "It is gone.")
    printer(None, [], "It is gone.")
    out = capsys.readouterr().out
    assert out.count("wave") == out.count("sit") == out.count("gone") == 1
