"""A small web server that fails on demand."""

import contextlib
import http.server
import re
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one content, and fails as `server.plan` says."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.requests.append((self.path, wanted))
        plan = server.plan.pop(0) if server.plan else ("serve", None)
        kind, number = plan
        if kind == "error":
            self.send_error(number)
            return
        start = 0
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        unchanged = self.headers.get("If-Range") in (None, server.etag)
        if match and server.ranges and unchanged:
            start = int(match[1])
            if start >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
            end = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        else:
            self.send_response(200)
        body = server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", server.etag)
        self.end_headers()
        self.wfile.write(body[:number])
        if kind == "break off":
            server.on_break()


@contextlib.contextmanager
def serving(content):
    """Runs a server; `server.address` is its root."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content = content
    server.etag = '"1"'
    server.ranges = True
    server.plan = []
    server.requests = []
    server.on_break = lambda: None
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
