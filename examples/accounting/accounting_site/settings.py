"""The settings of Accounting. Every EXAMPLE_ variable has a default, so `manage.py runserver` works without any.

EXAMPLE_REALTIME chooses what carries the live messages: `parlor` (Django under WSGI, sockets by Parlor) or `channels`
(Django under Daphne). Nothing else differs between the two.
"""
import os
from pathlib import Path

from .database import database

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("EXAMPLE_DATA", BASE_DIR / "data"))
DATA_DIR.mkdir(parents=True, exist_ok=True)

SECRET_KEY = os.environ.get("EXAMPLE_SECRET_KEY", "an example, and no secret")
DEBUG = os.environ.get("EXAMPLE_DEBUG") == "1"
ALLOWED_HOSTS = ["localhost", ".localhost", "127.0.0.1"]

REALTIME = os.environ.get("EXAMPLE_REALTIME", "parlor")
if REALTIME not in {"parlor", "channels"}:
    raise ValueError("EXAMPLE_REALTIME is neither parlor nor channels")
# Links that sign in without a password: for `cargo xtask example` and the tests only.
SIGN_IN_LINKS = os.environ.get("EXAMPLE_SIGN_IN_LINKS") == "1"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "Accounting_System_app",
]
if REALTIME == "channels":
    INSTALLED_APPS = ["daphne", "channels", *INSTALLED_APPS]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "accounting_site.urls"
WSGI_APPLICATION = "accounting_site.wsgi.application"
ASGI_APPLICATION = "accounting_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "Accounting_System_app.context_processors.site",
            ],
        },
    },
]

DATABASES = {"default": database(os.environ.get("EXAMPLE_DATABASE", f"sqlite:{DATA_DIR / 'db.sqlite3'}"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS = os.environ.get("EXAMPLE_REDIS")
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
if REDIS:
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS]}},
    }

# People may sign in with their number as well as with their name.
AUTHENTICATION_BACKENDS = [
    "Accounting_System_app.auth_backends.USNAccountsBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "Asia/Manila"
USE_TZ = True

STATIC_URL = "static/"
MEDIA_URL = "media/"
MEDIA_ROOT = DATA_DIR / "media"
