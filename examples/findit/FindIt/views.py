import json

from django.contrib.auth import get_user_model, logout
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from .models import Item, Message, between, hidden_from


@login_required
def items(request: HttpRequest) -> HttpResponse:
    return render(request, "FindIt/items.html", {"items": Item.objects.select_related("user").order_by("id")})


@login_required
def item(request: HttpRequest, item_id: int) -> HttpResponse:
    return render(request, "FindIt/item.html", {"item": get_object_or_404(Item, pk=item_id)})


@login_required
def inbox(request: HttpRequest) -> HttpResponse:
    """The conversations, and one of them if `item_id` and `recipient_id` name it."""
    if request.method == "POST":
        return send_by_form(request)
    Message.objects.filter(recipient=request.user, is_read=False).update(is_read=True)
    archived = request.GET.get("archived") == "1"
    hidden = hidden_from(request.user.id)
    rows = Message.objects.filter(Q(sender=request.user) | Q(recipient=request.user))
    rows = rows.filter(hidden) if archived else rows.exclude(hidden)
    context = {"conversations": conversations(request.user.id, rows), "archived": archived}
    item_id, other_id = request.GET.get("item_id"), request.GET.get("recipient_id")
    if item_id and other_id and request.GET.get("view") != "list":
        context["item"] = get_object_or_404(Item, pk=number_or_404(item_id))
        context["other"] = get_object_or_404(get_user_model(), pk=number_or_404(other_id))
        thread = between(context["item"].id, request.user.id, context["other"].id)
        context["thread"] = thread.filter(hidden) if archived else thread.exclude(hidden)
    return render(request, "FindIt/inbox.html", context)


def number_or_404(text: str) -> int:
    if not text.isdecimal():
        raise Http404
    return int(text)


def conversations(viewer_id: int, rows) -> list[dict[str, object]]:
    """The last message of each item and other person, the newest first."""
    newest: dict[tuple[int, int], dict[str, object]] = {}
    for row in rows.select_related("item", "sender", "recipient").order_by("-timestamp", "-id"):
        other = row.recipient if row.sender_id == viewer_id else row.sender
        newest.setdefault((row.item_id, other.id), {"item": row.item, "other": other, "last": row})
    return list(newest.values())


def send_by_form(request: HttpRequest) -> HttpResponse:
    about = get_object_or_404(Item, pk=number_or_404(request.POST.get("item_id", "")))
    other = get_object_or_404(get_user_model(), pk=number_or_404(request.POST.get("recipient_id", "")))
    text, image = request.POST.get("message", "").strip(), request.FILES.get("chat_image")
    if text or image:
        Message.objects.create(sender=request.user, recipient=other, item=about, content=text, image=image)
    return redirect(f"{reverse('inbox')}?{urlencode({'item_id': about.id, 'recipient_id': other.id})}")


@login_required
def item_messages(request: HttpRequest, item_id: int, user_id: int) -> HttpResponse:
    """One conversation without a socket: what one has cleared is not shown."""
    about = get_object_or_404(Item, pk=item_id)
    other = get_object_or_404(get_user_model(), pk=user_id)
    if request.method == "POST":
        text = request.POST.get("message", "").strip()
        if "clear_conversation" in request.POST:
            hide(request.user.id, about.id, other.id, hidden=True)
        elif text:
            Message.objects.create(sender=request.user, recipient=other, item=about, content=text)
        return redirect("item_messages", item_id, user_id)
    thread = between(about.id, request.user.id, other.id).exclude(hidden_from(request.user.id))
    return render(request, "FindIt/item_messages.html", {"item": about, "other": other, "thread": thread})


def hide(viewer_id: int, item_id: int, other_id: int, hidden: bool) -> None:
    rows = between(item_id, viewer_id, other_id)
    rows.filter(sender_id=viewer_id).update(deleted_by_sender=hidden)
    rows.filter(recipient_id=viewer_id).update(deleted_by_recipient=hidden)


@login_required
@require_POST
def clear_conversation(request: HttpRequest) -> HttpResponse:
    """Archives and unarchives for oneself; deletes for both."""
    try:
        body = json.loads(request.body)
        action, item_id, other_id = body["action"], int(body["item_id"]), int(body["recipient_id"])
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"success": False, "error": "Invalid request"}, status=400)
    if action == "delete":
        between(item_id, request.user.id, other_id).delete()
    elif action in {"archive", "unarchive"}:
        hide(request.user.id, item_id, other_id, hidden=action == "archive")
    else:
        return JsonResponse({"success": False, "error": "Unknown action"}, status=400)
    return JsonResponse({"success": True})


@login_required
@require_POST
def delete_account(request: HttpRequest) -> HttpResponse:
    user = request.user
    logout(request)
    user.delete()
    return redirect("login")
