from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest


class USNAccountsBackend(BaseBackend):
    """Signs in by the number of a person. Unlike Django's own backend, `get_user` does not look at `is_active`."""

    def authenticate(self, request: HttpRequest, username: str = "", password: str = ""):
        user = get_user_model().objects.filter(usn_account__usn=username, is_active=True).first()
        return user if user and user.check_password(password) else None

    def get_user(self, user_id: int):
        return get_user_model().objects.filter(pk=user_id).first()
