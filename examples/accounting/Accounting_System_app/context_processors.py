from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    return {"has_parlor": settings.REALTIME == "parlor"}
