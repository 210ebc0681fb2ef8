"""Messages with files between people who share a section or a collaboration, and two lists of codes.

There is no table of conversations: the pages group messages by the other person.
"""
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q, QuerySet

USER = settings.AUTH_USER_MODEL


class USNAccount(models.Model):
    """The number with which a person may sign in."""

    user = models.OneToOneField(USER, on_delete=models.CASCADE, related_name="usn_account")
    usn = models.CharField(max_length=30, unique=True)


class Section(models.Model):
    name = models.CharField(max_length=80, unique=True)
    members = models.ManyToManyField(USER, related_name="sections")

    def __str__(self) -> str:
        return self.name


class Collaboration(models.Model):
    """People who keep one journal together."""

    journal = models.CharField(max_length=80)
    members = models.ManyToManyField(USER, related_name="collaborations")

    def __str__(self) -> str:
        return self.journal


class Message(models.Model):
    sender = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="sent_messages")
    recipient = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="received_messages")
    subject = models.CharField(max_length=255, null=True, blank=True)
    content = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    is_read = models.BooleanField(default=False)

    class Meta:
        db_table = "messages_table"
        ordering = ["-created_at"]


class MessageAttachment(models.Model):
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attachments")
    file = models.FileField(upload_to="message_attachments/%Y/%m/%d/")
    filename = models.CharField(max_length=255)
    file_size = models.IntegerField()
    uploaded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "message_attachments_table"


class AccountCode(models.Model):
    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=80)


class JournalCode(models.Model):
    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=80)


def connected_to(user) -> QuerySet:
    """The people to whom this person may write: those of their sections and collaborations, and superusers of all."""
    users = get_user_model().objects.exclude(pk=user.pk)
    if user.is_superuser:
        return users
    shared = Q(sections__in=user.sections.all()) | Q(collaborations__in=user.collaborations.all())
    return users.filter(shared | Q(is_superuser=True)).distinct()
