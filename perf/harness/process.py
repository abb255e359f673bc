"""Starting, pinning, measuring and ending the processes of a run.

Everything started here is on one list and is killed by its process id: when its block ends, when the
script ends, on Ctrl-C, and (PR_SET_PDEATHSIG) when the script itself is killed.
"""

import atexit
import ctypes
import os
import random
import signal
import socket
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
_running = []
_TICKS = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """A run that cannot be measured: the peer did not start, did not answer, or died."""


def free_port():
    """A port below the ephemeral range, so that no outgoing connection takes it meanwhile."""
    for _ in range(1000):
        port = random.randint(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failure("no free port between 20000 and 32000")


class Process:
    """One started program with its descendants (nginx: master and workers)."""

    def __init__(self, name, argv, cpus, directory, stdout=None, stdin=None, death_signal=signal.SIGKILL,
                 environment=None):
        self.name = name
        self.errors_path = os.path.join(directory, name + ".stderr")

        def in_child():
            _libc.prctl(1, death_signal)  # PR_SET_PDEATHSIG
            os.sched_setaffinity(0, cpus)

        with open(self.errors_path, "wb") as errors:
            self.popen = subprocess.Popen(argv, stdin=stdin or subprocess.DEVNULL, stdout=stdout or subprocess.DEVNULL,
                                          stderr=errors, cwd=directory, preexec_fn=in_child,
                                          env=dict(os.environ, **environment) if environment else None)
        self.pid = self.popen.pid
        _running.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def pids(self):
        """This process and its descendants."""
        children = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry))
        found = [self.pid]
        for pid in found:
            found.extend(children.get(pid, []))
        return found

    def stop(self):
        """SIGTERM first (logs are flushed, nginx ends its workers), SIGKILL two seconds later."""
        if self not in _running:
            return
        _running.remove(self)
        family = self.pids() if self.popen.poll() is None else []
        if family:
            self.popen.terminate()
            try:
                self.popen.wait(2)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for pid in family[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                pipe.close()

    def check(self):
        if self.popen.poll() is not None:
            raise Failure(f"{self.name} ended with status {self.popen.returncode}: {self.last_words()}")

    def last_words(self):
        try:
            with open(self.errors_path, errors="replace") as f:
                return " | ".join(f.read().strip().splitlines()[-3:]) or "(it wrote nothing)"
        except OSError:
            return "(no error output)"


def stop_all():
    for process in list(reversed(_running)):
        process.stop()


atexit.register(stop_all)


class Usage:
    """What a family of processes has consumed so far, all threads."""

    def __init__(self, pids):
        self.cpu_ns = self.user_ticks = self.system_ticks = self.switches = 0
        for pid in pids:
            try:
                tasks = os.listdir(f"/proc/{pid}/task")
                fields = _read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
            except OSError:
                continue
            self.user_ticks += int(fields[11])
            self.system_ticks += int(fields[12])
            for task in tasks:
                try:
                    self.cpu_ns += int(_read(f"/proc/{pid}/task/{task}/schedstat").split()[0])
                    for line in _read(f"/proc/{pid}/task/{task}/status").splitlines():
                        if "ctxt_switches" in line:
                            self.switches += int(line.split()[1])
                except OSError:
                    continue

    def since(self, before):
        """(CPU µs, share of it in user space or None when too short to say, context switches)."""
        ticks = (self.user_ticks - before.user_ticks) + (self.system_ticks - before.system_ticks)
        user = (self.user_ticks - before.user_ticks) / ticks if ticks > 10 else None
        return (self.cpu_ns - before.cpu_ns) / 1000, user, self.switches - before.switches


def _read(path):
    with open(path) as f:
        return f.read()


def resident_kib(pids):
    total = 0
    for pid in pids:
        for line in _read(f"/proc/{pid}/status").splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total


def machine_busy_us():
    """CPU time that all of the machine has used: what is not ours in a run was foreign."""
    with open("/proc/stat") as f:
        fields = [int(x) for x in f.readline().split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) * 1e6 / _TICKS


def http_get(port, path, timeout=1.0, method="GET"):
    """Status and body of one request on a connection of its own; None, b"": no connection or no answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as s:
            s.sendall(f"{method} {path} HTTP/1.1\r\nHost: perf.test\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), body
    except (OSError, ValueError, IndexError):
        return None, b""


def wait_until(process, question, what, seconds=30, pause=0.01):
    """Polls until the question is answered with true; the process must live meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if question():
            return
        process.check()
        time.sleep(pause)
    raise Failure(f"{process.name}: {what} not within {seconds} s: {process.last_words()}")


def connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False
