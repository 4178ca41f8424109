"""Runs the tours of docs/guide as a person would who pastes their lines.

In a ```console block a line that begins with "$ " is a command and "> " goes on with it; the other lines are what it prints. There,
<words> stand for what differs from run to run, and a line "..." for any lines. Empty lines do not count. A first `coffer up` runs in a
terminal of its own until the end, `cofferd` as a job of the shell. All commands share one shell, one folder and one home.
"""
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from harness import CLEAN_ENVIRONMENT, REPOSITORY, Failure, results

PAGES = REPOSITORY / "docs" / "guide"
ADDRESSES = ("127.0.0.1:9420", "127.0.0.1:9430")  # the pages'; the test listens elsewhere
MARK = "@@coffer-tour-step@@"
UP_SECONDS = 20


@dataclass
class Step:
    line: int
    command: str
    output: list = field(default_factory=list)


def steps_of(text):
    steps, inside = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            inside = not inside and line.strip() == "```console"
        elif inside and line.startswith("$ "):
            steps.append(Step(number, line[2:]))
        elif inside and (line + " ").startswith("> ") and steps:
            steps[-1].command += "\n" + line[2:]
        elif inside and line.strip() and steps:
            steps[-1].output.append(line.rstrip())
    return steps


def matches(expected, got):
    """Lines of the page against lines of the run."""
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*"
            continue
        pieces = re.split(r"<[^<>]+>", line)
        pattern += r"\S+".join(map(re.escape, pieces)) + r"\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in got)) is not None


def lines_of(text):
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Tour:
    def __init__(self, program, aws, environment=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="coffer-guide-"))
        tools = self.root / "bin"
        tools.mkdir()
        (tools / "coffer").symlink_to(os.path.abspath(program))
        (tools / "cofferd").symlink_to(os.path.abspath(program) + "d")
        (tools / "aws").symlink_to(aws)
        self.addresses = {address: f"127.0.0.1:{free_port()}" for address in ADDRESSES}
        self.environment = {**CLEAN_ENVIRONMENT, "HOME": str(self.root), "PATH": f"{tools}:{os.environ['PATH']}", "AWS_PAGER": "",
                            **(environment or {})}
        self.up = None

    def here(self, text):
        for written, used in self.addresses.items():
            text = text.replace(written, used)
        return text

    def as_written(self, text):
        for written, used in self.addresses.items():
            text = text.replace(used, written)
        return text.replace(str(self.root), "/home/you")

    def job(self, number, step):
        """A daemon in the background, until it has said as many lines as the page shows."""
        return (f"{self.here(step.command)} > job-{number} 2>&1 &\n"
                f"for i in $(seq {UP_SECONDS * 10}); do [ $(wc -l < job-{number}) -ge {len(step.output)} ] && break; sleep 0.1; done\n"
                f"cat job-{number}")

    def start_up(self, step):
        """`coffer up`, until it has said as many lines as the page shows."""
        self.up = subprocess.Popen(["bash", "-c", "exec " + self.here(step.command)], cwd=self.root, env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.up.stdout.fileno(), False)
        text, deadline = "", time.monotonic() + UP_SECONDS
        while not matches(step.output, lines_of(self.as_written(text))):
            if time.monotonic() > deadline or self.up.poll() is not None:
                return lines_of(self.as_written(text))
            select.select([self.up.stdout], [], [], 0.1)
            text += (self.up.stdout.read() or b"").decode(errors="replace")
        return step.output

    def run(self, steps):
        """What each step printed."""
        commands = [self.job(n, step) if step.command.startswith("cofferd ") else self.here(step.command) for n, step in enumerate(steps)]
        script = "set -m 2>/dev/null\n" + "".join(f"echo; echo '{MARK}'\n{command}\n" for command in commands) + "kill $(jobs -p) 2>/dev/null; wait\n"
        done = subprocess.run(["bash", "-c", script], cwd=self.root, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
        text = self.as_written(done.stdout.decode(errors="replace"))
        return [lines_of(piece) for piece in text.split(MARK)[1:]]

    def close(self):
        if self.up and self.up.poll() is None:
            self.up.send_signal(signal.SIGINT)
            self.up.wait(20)
        if not os.environ.get("COFFER_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)


def run(program, aws, page, environment=None):
    """`environment`: what the page says that its reader has."""
    steps = steps_of((PAGES / page).read_text())
    tour = Tour(program, aws, environment)
    try:
        if steps[0].command.startswith("coffer up"):
            first, steps = steps[0], steps[1:]
            check(first, tour.start_up(first))
        outputs = tour.run(steps)
        if len(outputs) != len(steps):
            raise Failure(f"{len(outputs)} of {len(steps)} commands ran")
        for step, got in zip(steps, outputs):
            check(step, got)
    finally:
        tour.close()


def check(step, got):
    results.check(f"line {step.line}: {step.command.splitlines()[0][:90]}", matches(step.output, got),
                  "the page says:\n          " + "\n          ".join(step.output) + "\n        it printed:\n          " + "\n          ".join(got))
