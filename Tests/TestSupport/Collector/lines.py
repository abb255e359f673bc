"""What the servers of this folder share: they tell the test that started them what they got, a line of JSON each.

Standard output and standard error are one file. Python writes a report of an error in pieces, and a line that comes between
two pieces has rubbish in front of it: so what fails in a connection is a line too.
"""
import json
import sys
import threading
import traceback
from http.server import ThreadingHTTPServer

lock = threading.Lock()


def say(what, **fields):
    line = json.dumps({"what": what, **fields}, sort_keys=True) + "\n"
    with lock:
        sys.stdout.write(line)
        sys.stdout.flush()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        """A client went away, or a handler has a fault."""
        say("broken", error=traceback.format_exc())


def serve(port, handler):
    server = Server(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
