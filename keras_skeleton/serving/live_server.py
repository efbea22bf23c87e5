"""A page on this machine that shows the camera, skeletons and labels."""

import http.server
import io
import json
import threading
import time
from importlib import resources

from keras_skeleton import drawing
from keras_skeleton.drawing import overlay
from keras_skeleton.skeletons import get
from keras_skeleton.skeletons.skeleton import SkeletonLike

HOST = "127.0.0.1"


class LiveServer:
    """Serves the newest frame to browsers on this machine, and to no other.

    It is bound to the loopback address, and answers only requests that name
    this machine, so that no web page elsewhere can ask through a browser.
    Use it as a context manager, and as `show` of `predict_live`.

    Args:
        skeleton: The estimator's layout of joints.
        port: Port, or 0 for any that is free.

    Attributes:
        address: Address for the browser.

    Example:

    ```python
    with LiveServer("mediapipe33") as page:
        print(page.address)
        predict_live(weights, poses="mediapipe", show=page)
    ```
    """

    def __init__(self, skeleton: SkeletonLike, port=8765):
        self._skeleton = get(skeleton)
        self._lock = threading.Lock()
        self._frame, self._people, self._picture = None, [], None
        self._message, self._count = "Waiting for the camera", -1
        self._times = []
        page = self

        class Handler(_Handler):
            served = page

        self._server = http.server.ThreadingHTTPServer((HOST, port), Handler)
        self._server.daemon_threads = True
        self.address = f"http://{HOST}:{self._server.server_port}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, daemon=True
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __call__(self, frame, people, message):
        """Takes the newest frame, see `predict_live`."""
        with self._lock:
            self._message = message
            self._people = people
            if frame is not None:
                self._frame, self._picture = frame, None
                self._count += 1
                self._times = [*self._times[-29:], time.monotonic()]

    def state(self) -> dict:
        """What the page shows beside the picture, ready for JSON."""
        with self._lock:
            pace = None
            if len(self._times) > 1:
                span = self._times[-1] - self._times[0]
                pace = (len(self._times) - 1) / max(span, 1e-6)
            return {
                "number": self._count,
                "message": self._message,
                "pace": None if self._message else pace,
                "people": [
                    {
                        "number": each.number,
                        "name": each.name,
                        "probability": each.probability,
                        "color": "rgb({},{},{})".format(
                            *overlay.color_of(each.number)
                        ),
                    }
                    for each in self._people
                ],
            }

    def picture(self) -> bytes | None:
        """The newest frame with skeletons as JPEG, `None` before the first.

        It is drawn when a browser asks, and not for nobody.
        """
        with self._lock:
            frame, people, picture = self._frame, self._people, self._picture
        if frame is None or picture is not None:
            return picture
        from PIL import Image

        image = drawing.draw_over(
            frame.image,
            [each.person.joints for each in people],
            self._skeleton,
            [each.person.scores for each in people],
            [_text(each) for each in people],
            [each.number for each in people],
        )
        data = io.BytesIO()
        Image.fromarray(image).save(data, "JPEG", quality=85)
        with self._lock:
            if frame is self._frame:
                self._picture = data.getvalue()
        return data.getvalue()


def _text(each):
    if each.name is None:
        return f"{each.number}"
    return f"{each.number}: {each.name} {each.probability:.2f}"


class _Handler(http.server.BaseHTTPRequestHandler):
    served = None

    def do_GET(self):
        port = self.server.server_port
        if self.headers.get("Host") not in (
            f"{HOST}:{port}",
            f"localhost:{port}",
        ):
            self.send_error(403)
            return
        path = self.path.partition("?")[0]
        if path == "/":
            page = resources.files("keras_skeleton.serving")
            data = page.joinpath("live_page.html").read_bytes()
            self._answer("text/html; charset=utf-8", data)
        elif path == "/state.json":
            data = json.dumps(self.served.state()).encode()
            self._answer("application/json", data)
        elif path == "/frame.jpg":
            self._answer("image/jpeg", self.served.picture())
        else:
            self.send_error(404)

    def _answer(self, kind, data):
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        try:
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # The browser has gone.

    def log_message(self, *arguments):
        """Says nothing: a page asks many times a second."""
