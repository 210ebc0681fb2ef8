"""The two sites, and the files that configure nginx and Parlor for one of them."""
import json
import os
import re
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Site:
    """An example and what Parlor must know about it."""

    name: str
    profile: str
    package: str
    people: tuple[str, str]
    # The site's own view that sends a message, as a value of the profile.
    view: str
    backends: tuple[str, ...] = ("django.contrib.auth.backends.ModelBackend",)

    @property
    def folder(self) -> Path:
        return HERE / self.profile


SITES = {
    "findit": Site("FindIt", "findit", "findit_site", ("ada", "ben"),
        '{ path = "/inbox/", form = { item_id = "$context.id", recipient_id = "$recipient.id", message = "$text" } }'),
    "accounting": Site(
        "Accounting", "accounting", "accounting_site", ("maria", "jose"),
        '{ path = "/messages/send/", headers = { X-Requested-With = "XMLHttpRequest" }, '
        'form = { recipients = "$recipient.id", subject = "$subject", content = "$text" } }',
        ("Accounting_System_app.auth_backends.USNAccountsBackend", "django.contrib.auth.backends.ModelBackend")),
}


def write_nginx_conf(folder: Path, port: int, host_port: int, sockets_port: int) -> Path:
    """Puts nginx.conf, which the book shows, into what nginx needs to run in a folder as any user."""
    folder.mkdir(parents=True, exist_ok=True)
    # Its workers would run as another user, who cannot reach the folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    server = (HERE / "nginx.conf").read_text()
    for shown, real in [(":8000;", host_port), (":8080;", sockets_port), (":80;", port)]:
        server = server.replace(f"127.0.0.1{shown}", f"127.0.0.1:{real};")
    temporary = "\n".join(
        f"    {name}_temp_path {folder / name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    inside = server.replace("\n", "\n    ").rstrip()
    conf = folder / "nginx.conf"
    conf.write_text(
        f"{user}pid {folder / 'nginx.pid'};\nworker_processes 1;\nevents {{ worker_connections 1024; }}\n"
        f"http {{\n{temporary}\n    access_log off;\n    {inside}\n}}\n")
    return conf


def write_profile(folder: Path, site: Site, write: str) -> str:
    """Returns the profile's name, or the path of a copy in which the site's rule says who may write to whom, or its
    own view sends messages."""
    rule = site.folder / "allow.sql"
    if write == "view":
        allow = f'write = "view"\nview = {site.view}'
    elif rule.exists():
        allow = f"allow = '''\n{rule.read_text()}'''"
    else:
        return site.profile
    profile = (HERE.parent / "compat" / f"{site.profile}.toml").read_text()
    changed, count = re.subn(r"^allow = .*$", lambda _: allow, profile, flags=re.M)
    if count != 1:
        raise ValueError(f"compat/{site.profile}.toml has {count} lines that begin with `allow = `")
    copy = folder / f"{site.profile}.toml"
    copy.write_text(changed)
    return str(copy)


def text(value: object) -> str:
    """A value of TOML, which writes texts and lists of texts as JSON does."""
    return json.dumps(value)


def write_parlor_conf(
    folder: Path, site: Site, host_port: int, port: int, database: str, secret_key: str, options: Namespace,
) -> Path:
    lines = [
        f"listen = {text(f'127.0.0.1:{port}')}",
        f"data = {text(str(folder / 'parlor-data'))}",
        f"name = {text(site.name)}",
        'trusted_proxies = ["127.0.0.1"]',
        "",
        "[host]",
        f"database = {text(database)}",
        f"url = {text(f'http://127.0.0.1:{host_port}')}",
        "",
        "[identity]",
        'providers = ["django_session"]',
        'sign_in_url = "/login/?next={return}"',
        "",
        "[django]",
        f"secret_key = {text(secret_key)}",
        f"backends = {text(site.backends)}",
        f"backends_inactive = {text(site.backends[:-1])}",
        "",
        "[compat]",
        f"profile = {text(write_profile(folder, site, options.write))}",
    ]
    if options.redis:
        lines += ["", "[bridge]", f"redis = {text(options.redis)}"]
    for setting in options.set:
        key, value = setting.split("=", 1)
        table, _, name = key.rpartition(".")
        # A table stands once in a file. What is in none comes first.
        if table and f"[{table}]" not in lines:
            lines += ["", f"[{table}]"]
        lines.insert(lines.index(f"[{table}]") + 1 if table else 0, f"{name} = {value}")
    conf = folder / "parlor.toml"
    conf.touch(mode=0o600)
    conf.write_text("\n".join(lines) + "\n")
    return conf
