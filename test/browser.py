# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pages in headless Chromium: what a script makes of one, and what is wrong with those of a site.

A site is served on this machine. Each of its pages is loaded into a frame of a page of ours, as
wide as a desktop's window and as narrow as a phone's. A window cannot be as narrow as a frame.
"""

import json
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
WIDTHS = (1280, 390)  # pixels: a laptop, and a phone held upright
LONGEST = 300  # seconds; a walk through all pages takes 10 s on two idle cores

_OPTIONS = [
    '--headless',
    '--no-sandbox',  # which the root of a container cannot have
    '--disable-gpu',
    '--disable-dev-shm-usage',  # which is small in a container
    '--disable-background-networking',
    '--disable-component-update',
    '--no-first-run',
]


def _why_not():
    """Return why no page can be loaded; empty where one can."""
    if CHROMIUM is None:
        return 'no Chromium is installed'
    words = [CHROMIUM, *_OPTIONS, '--dump-dom', 'data:text/html,<p>it starts']
    try:
        answer = subprocess.run(words, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f'Chromium does not start: {error}'
    if 'it starts' not in answer.stdout:
        return f'Chromium does not start: {answer.stderr[-300:]}'
    return ''


_REASON = _why_not()
needs_chromium = pytest.mark.skipif(bool(_REASON), reason=_REASON or 'Chromium starts')

_WALK = '/walk.html'
_END = 'the walk has ended'
_SCRIPT = """<!doctype html><link rel="icon" href="data:,"><iframe style="height:900px"></iframe>
<script>
  const frame = document.querySelector('iframe');
  const load = (page) => new Promise((done) => { frame.onload = done; frame.src = page; });
  const paint = () => new Promise(
    (done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  (async () => {
    const seen = [];
    for (const page of PAGES) {
      await load(page);
      for (const width of WIDTHS) {
        frame.style.width = `${width}px`;
        await paint();
        const root = frame.contentDocument.documentElement;
        // Of those that a page loads when it is scrolled to them, none is complete.
        const images = [...frame.contentDocument.images];
        seen.push({
          page, width,
          excess: root.scrollWidth - root.clientWidth,
          missing: images.filter((each) => each.complete && !each.naturalWidth)
            .map((each) => each.src),
        });
      }
    }
    await fetch('/seen', { method: 'POST', body: JSON.stringify(seen) });
    console.log('END');
  })();
</script>"""


def dom_of(page, text):
    """Write ``text`` to the file ``page``; return the DOM once Chromium has loaded and run it."""
    page.write_text(text)
    words = [CHROMIUM, *_OPTIONS, '--dump-dom', f'file://{page}']
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout


def faults_of_site(folder, pages):
    """Return what is wrong with pages of the site in ``folder``, a line each.

    A page that is wider than the window, a picture that is missing, and what a script or the
    browser reports on the console: an error, or something that would be loaded from elsewhere.
    """
    with _served(folder, pages) as (address, seen):
        messages = _console(f'{address}{_WALK}', folder)
    assert len(seen) == len(pages) * len(WIDTHS)
    wide = [
        f'{each["page"]} at {each["width"]} px is {each["excess"]} px too wide'
        for each in seen
        if each['excess'] > 0
    ]
    missing = sorted({f'{each["page"]} lacks {src}' for each in seen for src in each['missing']})
    return wide + missing + messages


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments, walk, seen, **options):
        self.walk, self.seen = walk, seen
        super().__init__(*arguments, **options)

    def end_headers(self):
        # The console reports whatever a page would load from elsewhere.
        own = "default-src 'self' 'unsafe-inline' data: blob:"
        self.send_header('Content-Security-Policy', own)
        super().end_headers()

    def do_GET(self):
        if self.path == _WALK:
            self._answer(self.walk.encode())
        else:
            super().do_GET()

    def do_POST(self):
        self.seen += json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        self._answer(b'')

    def _answer(self, body):
        self.send_response(200)
        self.send_header('Content-Type', 'text/html; charset=utf-8')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Say nothing of requests."""


@contextmanager
def _served(folder, pages):
    """Serve a site and the walk through it; give the address, and a list for what is seen."""
    seen = []
    walk = _SCRIPT.replace('PAGES', json.dumps(pages)).replace('WIDTHS', json.dumps(WIDTHS))
    handler = partial(_Handler, directory=folder, walk=walk.replace('END', _END), seen=seen)
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f'http://127.0.0.1:{server.server_port}', seen
        finally:
            server.shutdown()
            thread.join()


def _console(address, folder):
    """Return the messages on the console from an address on, until the walk has ended."""
    words = [CHROMIUM, *_OPTIONS, '--enable-logging=stderr', address]
    words.insert(1, f'--user-data-dir={folder.with_name("profile")}')
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(LONGEST, process.kill)
    watchdog.start()
    messages = []
    try:
        for line in process.stderr:
            message = re.search(r':CONSOLE[^\]]*\] (.*)', line)
            if message and _END in message[1]:
                return messages
            if message:
                messages.append(message[1])
        raise AssertionError(f'Chromium ended before the walk did: {messages}')
    finally:
        watchdog.cancel()
        process.terminate()
        process.communicate()
