from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from ..models import connected_to
from .messages import lists_of, name_of

ROLES = ("admin", "teacher", "student")


def role_of(user) -> str:
    if user.is_superuser:
        return "admin"
    return "teacher" if user.is_staff else "student"


@login_required
def home(request: HttpRequest) -> HttpResponse:
    return redirect(f"/dashboard/{role_of(request.user)}/")


@login_required
def dashboard(request: HttpRequest, role: str) -> HttpResponse:
    """Both lists are in the page, and it does not mark them read."""
    if role not in ROLES:
        raise Http404
    people = [{"id": user.id, "name": name_of(user)} for user in connected_to(request.user).order_by("id")]
    context = {"role": role, "people": people, "lists": lists_of(request.user), "me": name_of(request.user)}
    return render(request, "accounting/dashboard.html", context)
