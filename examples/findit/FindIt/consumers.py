"""The socket before Parlor. Its faults are those of the application that this example stands for: the two people of a
conversation join two groups, because each names the other, and the sender is the one that the frame names."""
import json

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import get_user_model

from .models import Item, Message


class ChatConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.group = f"chat_{self.scope['url_route']['kwargs']['conversation_id']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        frame = json.loads(text_data or "")
        message = await self.save(frame)
        await self.channel_layer.group_send(self.group, {
            "type": "chat_message",
            "message": message.content,
            "sender_id": frame["sender_id"],
            "sender_username": message.sender.username,
            "timestamp": message.timestamp.strftime("%b. %d, %Y, %I:%M %p"),
            "message_id": message.id,
        })

    async def chat_message(self, event: dict[str, object]) -> None:
        await self.send(text_data=json.dumps({key: value for key, value in event.items() if key != "type"}))

    @database_sync_to_async
    def save(self, frame: dict[str, object]) -> Message:
        users = get_user_model().objects
        return Message.objects.create(
            sender=users.get(pk=frame["sender_id"]),
            recipient=users.get(pk=frame["recipient_id"]),
            item=Item.objects.get(pk=frame.get("item_id")),
            content=frame["message"],
            image=frame.get("image"),
        )
