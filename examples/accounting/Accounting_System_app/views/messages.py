"""The messages as JSON, for the pages."""
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.timezone import localtime
from django.views.decorators.http import require_POST

from ..models import Message, MessageAttachment, connected_to


def name_of(user) -> str:
    return user.get_full_name() or user.username


def attachment_json(attachment: MessageAttachment) -> dict[str, object]:
    return {
        "id": attachment.id,
        "filename": attachment.filename,
        "file_size": attachment.file_size,
        "url": attachment.file.url,
        "download_url": f"/messages/download/{attachment.id}/",
    }


def message_json(message: Message, kind: str) -> dict[str, object]:
    return {
        "id": message.id,
        "sender": name_of(message.sender),
        "sender_id": message.sender_id,
        "recipient": name_of(message.recipient),
        "recipient_id": message.recipient_id,
        "subject": message.subject or "No Subject",
        "content": message.content,
        "created_at": localtime(message.created_at).strftime("%Y-%m-%d %H:%M"),
        "is_read": message.is_read,
        "attachments": [attachment_json(attachment) for attachment in message.attachments.all()],
        "type": kind,
    }


def unread_of(user) -> int:
    return Message.objects.filter(recipient=user, is_read=False).count()


def lists_of(user) -> dict[str, list]:
    """What was received from and sent to people who are connected, and what was exchanged with others."""
    connected = set(connected_to(user).values_list("id", flat=True))
    lists: dict[str, list] = {"received": [], "sent": [], "archive": []}
    rows = Message.objects.filter(Q(sender=user) | Q(recipient=user))
    for row in rows.select_related("sender", "recipient").prefetch_related("attachments"):
        kind = "sent" if row.sender_id == user.id else "received"
        other = row.recipient_id if kind == "sent" else row.sender_id
        lists[kind if other in connected else "archive"].append(message_json(row, kind))
    return lists


@login_required
@require_POST
def send(request: HttpRequest) -> HttpResponse:
    """One row, and one copy of each file, for each recipient."""
    ids = request.POST.getlist("recipients") or request.POST.getlist("recipient")
    content, files = request.POST.get("content", "").strip(), request.FILES.getlist("attachments")
    if not ids or not (content or files):
        return JsonResponse({"status": "error", "message": "A recipient and a text or a file are needed"}, status=400)
    try:
        wanted = {int(number) for number in ids}
    except ValueError:
        return JsonResponse({"status": "error", "message": "No such recipient"}, status=400)
    recipients = list(connected_to(request.user).filter(pk__in=wanted))
    if len(recipients) != len(wanted):
        return JsonResponse({"status": "error", "message": "You are not connected to this person"}, status=403)
    with transaction.atomic():
        sent = [store(request, recipient, content, files) for recipient in recipients]
    if request.headers.get("X-Requested-With") != "XMLHttpRequest":
        return redirect("home")
    return JsonResponse({"status": "success", "message_ids": sent})


def store(request: HttpRequest, recipient, content: str, files: list) -> int:
    message = Message.objects.create(
        sender=request.user, recipient=recipient, subject=request.POST.get("subject", ""), content=content)
    for file in files:
        file.seek(0)
        MessageAttachment.objects.create(message=message, file=file, filename=file.name, file_size=file.size)
    return message.id


@login_required
def get(request: HttpRequest) -> JsonResponse:
    """The lists. What came from people who are connected is read now, at every poll."""
    lists = lists_of(request.user)
    senders = connected_to(request.user).values("id")
    ids = list(Message.objects.filter(recipient=request.user, sender__in=senders).values_list("id", flat=True))
    Message.objects.filter(id__in=ids).update(is_read=True)
    return JsonResponse({**lists, "unread_count": unread_of(request.user)})


@login_required
def unread(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"unread_count": unread_of(request.user)})


@login_required
def notifications(request: HttpRequest) -> JsonResponse:
    rows = Message.objects.filter(recipient=request.user, is_read=False).select_related("sender", "recipient")[:5]
    newest = [message_json(row, "received") for row in rows]
    return JsonResponse({"unread_count": unread_of(request.user), "messages": newest})


@login_required
@require_POST
def delete(request: HttpRequest, message_id: int) -> JsonResponse:
    """Either side deletes for both."""
    mine = Message.objects.filter(Q(sender=request.user) | Q(recipient=request.user))
    get_object_or_404(mine, pk=message_id).delete()
    return JsonResponse({"status": "success"})


@login_required
def download(request: HttpRequest, attachment_id: int) -> FileResponse:
    attachment = get_object_or_404(MessageAttachment.objects.select_related("message"), pk=attachment_id)
    if request.user.id not in (attachment.message.sender_id, attachment.message.recipient_id):
        raise Http404
    return FileResponse(attachment.file.open(), as_attachment=True, filename=attachment.filename)
