"""The sockets before Parlor. Their faults are those of the application that this example stands for: what is sent by
the form reaches nobody, who may write to whom is not checked here, and an unknown recipient gets no answer."""
import json

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import get_user_model
from django.utils.timezone import localtime

from .models import Message
from .views.messages import name_of, unread_of


class MessageConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            await self.close()
            return
        self.group = f"user_{self.user.id}_messages"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        if self.user.is_authenticated:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            frame = json.loads(text_data or "")
        except ValueError:
            await self.answer({"error": "Invalid JSON"})
            return
        handlers = {"send_message": self.send_message, "mark_as_read": self.mark_as_read,
                    "get_unread_count": self.get_unread_count}
        if handler := handlers.get(frame.get("type")):
            try:
                await handler(frame)
            except Exception as error:
                await self.answer({"type": "error", "error": str(error)})

    async def answer(self, frame: dict[str, object]) -> None:
        await self.send(text_data=json.dumps(frame))

    async def send_message(self, frame: dict[str, object]) -> None:
        message = await self.save(frame)
        if message is None:
            return
        data = {
            "type": "new_message",
            "message_id": message.id,
            "sender": name_of(self.user),
            "sender_id": self.user.id,
            "subject": message.subject or "No Subject",
            "content": message.content,
            "created_at": localtime(message.created_at).strftime("%Y-%m-%d %H:%M"),
            "is_read": False,
            "attachments": [],
        }
        group = f"user_{message.recipient_id}_messages"
        await self.channel_layer.group_send(group, {"type": "new_message", "data": data})
        await self.answer({"type": "message_sent", "message_id": message.id, "status": "success"})

    async def mark_as_read(self, frame: dict[str, object]) -> None:
        rows = Message.objects.filter(pk=frame.get("message_id"), recipient=self.user)
        await database_sync_to_async(rows.update)(is_read=True)
        await self.answer({"type": "message_read", "message_id": frame.get("message_id"), "status": "success"})

    async def get_unread_count(self, frame: dict[str, object]) -> None:
        count = await database_sync_to_async(unread_of)(self.user)
        await self.answer({"type": "unread_count", "unread_count": count})

    async def new_message(self, event: dict[str, object]) -> None:
        await self.answer(event)

    @database_sync_to_async
    def save(self, frame: dict[str, object]) -> Message | None:
        recipient = get_user_model().objects.filter(pk=frame.get("recipient_id")).first()
        if recipient is None:
            return None
        return Message.objects.create(
            sender=self.user, recipient=recipient, subject=frame.get("subject", ""), content=frame["content"])


class CodesConsumer(AsyncWebsocketConsumer):
    """A room for everybody: frames are the events as they are."""

    group = ""
    needs_sign_in = True

    async def connect(self) -> None:
        if self.needs_sign_in and not self.scope["user"].is_authenticated:
            await self.close()
            return
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data and json.loads(text_data).get("type") == "ping":
            await self.send(text_data=json.dumps({"type": "pong"}))

    async def pass_on(self, event: dict[str, object]) -> None:
        await self.send(text_data=json.dumps(event))


class AccountCodesConsumer(CodesConsumer):
    group = "account_code_updates"
    account_code_created = CodesConsumer.pass_on


class JournalCodesConsumer(CodesConsumer):
    group = "journal_code_updates"
    needs_sign_in = False
    journal_code_created = CodesConsumer.pass_on
