from django.urls import re_path

from .consumers import AccountCodesConsumer, JournalCodesConsumer, MessageConsumer

websocket_urlpatterns = [
    re_path(r"^ws/messages/$", MessageConsumer.as_asgi()),
    re_path(r"^ws/account-codes/$", AccountCodesConsumer.as_asgi()),
    re_path(r"^ws/journal-codes/$", JournalCodesConsumer.as_asgi()),
]
