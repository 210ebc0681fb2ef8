from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from .models import Message


def site(request: HttpRequest) -> dict[str, object]:
    """The number of unread messages for the badge of every page, and whether Parlor's inbox is there."""

    def unread() -> int:
        if not request.user.is_authenticated:
            return 0
        return Message.objects.filter(recipient=request.user, is_read=False).count()

    return {"unread": SimpleLazyObject(unread), "has_parlor": settings.REALTIME == "parlor"}
