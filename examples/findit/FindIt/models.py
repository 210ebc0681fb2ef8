"""Items that were lost or found, and the messages about them.

There is no table of conversations: a conversation is an item and two people.
"""
from django.conf import settings
from django.db import models
from django.db.models import Q, QuerySet


class Item(models.Model):
    class Status(models.TextChoices):
        LOST = "lost", "Lost"
        FOUND = "found", "Found"
        RETURNED = "returned", "Returned"

    title = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    location = models.CharField(max_length=120, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.LOST)
    image = models.FileField(upload_to="item_images/", max_length=100, null=True, blank=True)
    allow_messages = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="items")

    def __str__(self) -> str:
        return self.title

    @property
    def contact(self) -> str:
        """The word for the person who reported this item."""
        return "Finder" if self.status == self.Status.FOUND else "Owner"


class Message(models.Model):
    sender = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sent_messages")
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="received_messages")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="messages")
    content = models.TextField(default="", blank=True)
    image = models.FileField(upload_to="chat_images/", max_length=100, null=True, blank=True)
    timestamp = models.DateTimeField(auto_now_add=True)
    is_read = models.BooleanField(default=False)
    deleted_by_sender = models.BooleanField(default=False)
    deleted_by_recipient = models.BooleanField(default=False)

    class Meta:
        ordering = ["timestamp", "id"]

    def __str__(self) -> str:
        return f"{self.sender} to {self.recipient}: {self.content[:40]}"


def between(item_id: int, one_id: int, other_id: int) -> QuerySet[Message]:
    """The messages of two people about an item, whichever of them wrote."""
    pair = [one_id, other_id]
    return Message.objects.filter(item_id=item_id, sender_id__in=pair, recipient_id__in=pair)


def hidden_from(user_id: int) -> Q:
    """The messages that this person has archived or cleared."""
    return Q(sender_id=user_id, deleted_by_sender=True) | Q(recipient_id=user_id, deleted_by_recipient=True)
