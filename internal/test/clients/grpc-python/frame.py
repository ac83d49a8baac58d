"""Runs scenarios and prints a line of JSON behind an '@' for each result.

With scenarios named it runs them and exits 1 if one fails. Without, it reads
commands from standard input (run SCENARIO, signal SCENARIO WORD) until its end.
"""

import json
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections import deque
from concurrent.futures import ThreadPoolExecutor

_output = threading.Lock()


def _print(**fields):
    with _output:
        sys.stdout.write("@" + json.dumps(fields) + "\n")
        sys.stdout.flush()


class ClientLog(logging.Handler):
    """The last errors that the client logged: some reasons it tells nowhere else."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.lines = deque(maxlen=10)
        logging.getLogger("rocketmq-python-client").addHandler(self)

    def emit(self, record):
        self.lines.append(record.getMessage())


class Case:
    """The surroundings of one run: names of its own, clients that end with it."""

    def __init__(self, endpoints, prefix, name):
        self.tls = name == "tls"
        self.endpoints = os.environ["TLS_ENDPOINTS"] if self.tls else endpoints
        self.name = name
        self.topic = f"{prefix}_{name}"
        self.group = f"g_{self.topic}"
        self.signals = queue.Queue()
        self._open = []

    def at_end(self, close):
        self._open.append(close)

    def close(self):
        for close in reversed(self._open):
            try:
                close()
            except Exception:  # a client that the scenario has shut down
                pass

    def note(self, text):
        _print(scenario=self.name, note=text)

    def ask(self, what):
        """Tells the test that something is to be done and waits until it was."""
        _print(scenario=self.name, event=what)
        same(self.signals.get(timeout=60), what, "what the test did")


def same(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: got {got}, want {want}")


def eventually(seconds, what, holds):
    """Fails unless the condition comes true within some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


class Runner:
    def __init__(self, table, endpoints, prefix):
        self._table = table
        self._endpoints = endpoints
        self._prefix = prefix
        self._running = {}
        self._log = ClientLog()
        self._pool = ThreadPoolExecutor(max_workers=len(table))  # all at once: they mostly wait
        self.failed = False

    def start(self, name):
        case = Case(self._endpoints, self._prefix, name)
        self._running[name] = case
        self._pool.submit(self._run, case)

    def _run(self, case):
        begin = time.monotonic()
        error = ""
        try:
            self._table[case.name](case)
        except BaseException:
            error = "\n".join([traceback.format_exc(), "logged by the client:", *self._log.lines])
            self.failed = True
        _print(scenario=case.name, done=True, millis=int((time.monotonic() - begin) * 1000), error=error)
        case.close()  # which waits for polls that are under way

    def serve(self):
        for line in sys.stdin:
            words = line.rstrip("\n").split(" ", 2)
            if words[0] == "run":
                self.start(words[1])
            elif words[0] == "signal":
                self._running[words[1]].signals.put(words[2])

    def wait(self):
        self._pool.shutdown(wait=True)


def main(table, args):
    if len(args) < 3:
        sys.exit("usage: scenarios.py ENDPOINTS PREFIX NAMESRV [SCENARIO...]; scenarios: " + " ".join(table))
    runner = Runner(table, args[0], args[1])
    for name in args[3:]:
        runner.start(name)
    if len(args) == 3:
        runner.serve()
    runner.wait()
    sys.exit(1 if runner.failed else 0)
