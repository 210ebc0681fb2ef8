#!/usr/bin/env python
"""Starts an example: its Django site, Parlor, and nginx in front of both, on one origin.

`cargo xtask example findit` makes the virtual environment and calls this. A part that dies is started again, as a
service manager would do. Everything is stopped by its process id when this ends.
"""
import argparse
import json
import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from parts import Part, StartError, free_port, run
from site_files import SITES, Site, write_nginx_conf, write_parlor_conf


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", choices=sorted(SITES))
    parser.add_argument("--parlor", type=Path, help="the program `parlor`")
    parser.add_argument("--realtime", choices=["parlor", "channels"], default="parlor",
                        help="what holds the sockets: Parlor, or Django itself under Daphne, as before")
    parser.add_argument("--port", type=int, default=0, help="the port of the site (default: a free one)")
    parser.add_argument("--database", help="sqlite:PATH, postgres://… or mysql://… (default: a SQLite file)")
    parser.add_argument("--redis", help="redis://… for the channel layer of Django (default: in memory, or none)")
    parser.add_argument("--write", choices=["row", "view"], default="row",
                        help="how a message of a socket gets into the table: Parlor writes the row, or calls the "
                             "site's own view")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="a setting of Parlor, such as limits.user_connections_max=500; may be given several times")
    parser.add_argument("--people", type=int, default=0, metavar="NUMBER", help="more people: person1, person2, …")
    parser.add_argument("--folder", type=Path, help="where the data is kept (default: a folder that is removed)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON for programs")
    options = parser.parse_args()
    if options.realtime == "parlor" and not options.parlor:
        parser.error("--parlor is needed: the path of the program")
    return options


class Example:
    """The running parts of an example."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.site: Site = SITES[options.site]
        self.folder = folder
        self.port = options.port or free_port()
        self.host_port, self.parlor_port = free_port(), free_port()
        self.database = options.database or f"sqlite:{folder / 'site' / 'db.sqlite3'}"
        self.secret_key = self.read_secret_key()
        self.parts: list[Part] = []
        self.people: dict[str, int] = {}

    def read_secret_key(self) -> str:
        """Kept with the data, so that sessions outlive a restart."""
        file = self.folder / "secret_key"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(40))
        return file.read_text()

    def environment(self) -> dict[str, str]:
        variables = {
            "EXAMPLE_REALTIME": self.options.realtime,
            "EXAMPLE_DATABASE": self.database,
            "EXAMPLE_DATA": str(self.folder / "site"),
            "EXAMPLE_SECRET_KEY": self.secret_key,
            "EXAMPLE_SIGN_IN_LINKS": "1",
        }
        if self.options.redis:
            variables["EXAMPLE_REDIS"] = self.options.redis
        return {**os.environ, **variables}

    def start(self) -> None:
        environment, place = self.environment(), self.site.folder
        run([sys.executable, "manage.py", "migrate", "-v0"], place, environment)
        seed = ["seed", "--people", str(self.options.people)]
        self.people = json.loads(run([sys.executable, "manage.py", *seed], place, environment))
        self.add("django", self.host_command(), place, environment, self.host_port)
        sockets_port = self.host_port
        if self.options.realtime == "parlor":
            sockets_port = self.parlor_port
            self.start_parlor()
        conf = write_nginx_conf(self.folder / "nginx", self.port, self.host_port, sockets_port)
        nginx = ["nginx", "-e", "stderr", "-p", str(conf.parent), "-c", str(conf), "-g", "daemon off;"]
        self.add("nginx", nginx, self.folder, dict(os.environ), self.port)

    def host_command(self) -> list[str]:
        package = self.site.package
        if self.options.realtime == "channels":
            return [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.host_port),
                    f"{package}.asgi:application"]
        return [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{self.host_port}", "--threads", "8",
                f"{package}.wsgi:application"]

    def start_parlor(self) -> None:
        conf = write_parlor_conf(
            self.folder, self.site, self.host_port, self.parlor_port, self.database, self.secret_key,
            self.options)
        # A PARLOR_ variable of the shell would change this server, and it refuses those that it does not know.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PARLOR_")}
        program = str(self.options.parlor.resolve())
        run([program, "mirror", "install", "--config", str(conf)], self.folder, environment)
        self.add("parlor", [program, "serve", "--config", str(conf)], self.folder, environment, self.parlor_port)

    def add(self, name: str, command: list[str], place: Path, environment: dict[str, str], port: int) -> None:
        part = Part(name, command, place, environment, port, self.folder / "logs" / f"{name}.log")
        self.parts.append(part)
        part.start()
        part.wait_until_it_answers()

    def announce(self) -> None:
        links = {name: f"http://{name}.localhost:{self.port}/sign-in-as/{name}/" for name in self.site.people}
        if self.options.json:
            pids = {part.name: part.pid for part in self.parts}
            ports = {part.name: part.port for part in self.parts}
            self.say({"links": links, "port": self.port, "ports": ports, "pids": pids, "people": self.people,
                      "folder": str(self.folder)})
            return
        print(f"\n{self.site.name} is served, with its sockets by {self.options.realtime.title()}.\n")
        for name, link in links.items():
            print(f"  Open as {name.title():<6} {link}")
        print(f"\nBoth in one browser, side by side. The logs are in {self.folder / 'logs'}.\nStop with Ctrl+C.")
        sys.stdout.flush()

    def say(self, event: dict[str, object]) -> None:
        print(json.dumps(event), flush=True)

    def supervise(self) -> None:
        """Starts again what dies, until this process is stopped."""
        while True:
            pid, _ = os.wait()
            for part in self.parts:
                if part.pid == pid:
                    part.start_again()
                    if self.options.json:
                        self.say({"restarted": part.name, "pid": part.pid})

    def stop(self) -> None:
        for part in reversed(self.parts):
            part.stop()


def interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, interrupted)
    temporary = None if options.folder else tempfile.TemporaryDirectory(prefix="parlor-example-")
    folder = (options.folder or Path(temporary.name)).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    example = Example(options, folder)
    try:
        example.start()
        example.announce()
        example.supervise()
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        example.stop()
        if temporary:
            temporary.cleanup()
    return 0


if __name__ == "__main__":
    sys.exit(main())
