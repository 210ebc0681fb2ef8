"""Links that sign in without a password. They exist only where EXAMPLE_SIGN_IN_LINKS=1, on a developer's machine."""
from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect


def sign_in_as(request: HttpRequest, username: str) -> HttpResponse:
    user = get_object_or_404(get_user_model(), username=username)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("/")
