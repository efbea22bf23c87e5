"""Reading the HTML pages that are drawn."""

import json
from html.parser import HTMLParser


class Reader(HTMLParser):
    """Elements, their attributes and the text inside each."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        self.open.append(attrs.get("id") or tag)

    def handle_endtag(self, tag):
        if self.open:
            self.open.pop()

    def handle_data(self, data):
        if self.open:
            key = self.open[-1]
            self.texts[key] = self.texts.get(key, "") + data


def read_page(path):
    """The elements of a page, and the data inside it."""
    page = Reader(path.read_text(encoding="utf-8"))
    return page, json.loads(page.texts["data"])
