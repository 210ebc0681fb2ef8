"""What Daphne loads. Parlor replaces it: delete this file, consumers.py and routing.py.

The sockets' Origin is not checked: so it was in the application that this example stands for.
"""
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "accounting_site.settings")
pages = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from Accounting_System_app.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter({
    "http": pages,
    "websocket": AuthMiddlewareStack(URLRouter(websocket_urlpatterns)),
})
