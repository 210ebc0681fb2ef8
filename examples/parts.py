"""The processes of an example."""
import shutil
import socket
import subprocess
import time
from pathlib import Path

READY_SECONDS = 60
STOP_SECONDS = 10
# A part that dies so soon after its start is not started again and again.
SHORT_LIFE_SECONDS = 2
SHORT_LIVES_MAX = 5


class StartError(Exception):
    """Something could not be started."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(command: list[str], place: Path, environment: dict[str, str]) -> str:
    """Runs a program to its end, and returns what it printed."""
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StartError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


class Part:
    """One process that serves a port, with its log."""

    def __init__(
        self, name: str, command: list[str], place: Path, environment: dict[str, str], port: int, log: Path,
    ) -> None:
        self.name, self.command, self.place, self.environment = name, command, place, environment
        self.port, self.log = port, log
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.short_lives = 0

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(self) -> None:
        if not (shutil.which(self.command[0]) or Path("/usr/sbin", self.command[0]).exists()):
            raise StartError(f"{self.command[0]} is missing. Debian: apt-get install {self.command[0]}")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        path = f"{self.environment.get('PATH', '')}:/usr/sbin:/sbin"
        with self.log.open("ab") as log:
            # A session of its own: Ctrl+C reaches only this program, which stops the parts in order.
            self.process = subprocess.Popen(
                self.command, cwd=self.place, env={**self.environment, "PATH": path}, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.started_at = time.monotonic()

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process and self.process.poll() is not None:
                raise StartError(f"{self.name} ended with {self.process.returncode}:\n{self.last_lines()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise StartError(f"{self.name} does not answer on port {self.port}:\n{self.last_lines()}")

    def start_again(self) -> None:
        lived = time.monotonic() - self.started_at
        self.short_lives = self.short_lives + 1 if lived < SHORT_LIFE_SECONDS else 0
        if self.short_lives >= SHORT_LIVES_MAX:
            raise StartError(f"{self.name} dies again and again:\n{self.last_lines()}")
        time.sleep(0.2 * self.short_lives)
        self.start()

    def stop(self) -> None:
        if not self.process:
            return
        try:
            self.process.terminate()
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
