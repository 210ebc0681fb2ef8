from django.apps import AppConfig


class FindItConfig(AppConfig):
    name = "FindIt"
