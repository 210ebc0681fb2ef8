"""The lists of account codes and journal codes, which pages show live."""
import logging

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from ..models import AccountCode, JournalCode

logger = logging.getLogger(__name__)

try:
    from asgiref.sync import async_to_sync
    from channels.layers import get_channel_layer
except ImportError:
    # Without channels the pages poll.
    get_channel_layer = None

KINDS = {
    "account": (AccountCode, "account_code_updates", "Account codes"),
    "journal": (JournalCode, "journal_code_updates", "Journal codes"),
}


def kind_or_404(kind: str):
    if kind not in KINDS:
        raise Http404
    return KINDS[kind]


def publish(group: str, event: dict[str, object]) -> None:
    layer = get_channel_layer() if get_channel_layer else None
    if layer is None:
        return
    try:
        async_to_sync(layer.group_send)(group, event)
    except Exception:
        # The layer is away, whichever way it says so. What was saved stays saved, and the pages poll.
        logger.warning("the channel layer did not take an event", exc_info=True)


def code_json(code: AccountCode | JournalCode) -> dict[str, object]:
    return {"id": code.id, "code": code.code, "name": code.name}


@login_required
def page(request: HttpRequest, kind: str) -> HttpResponse:
    model, _, title = kind_or_404(kind)
    context = {"kind": kind, "title": title, "codes": model.objects.order_by("code")}
    return render(request, "accounting/codes.html", context)


@login_required
def listing(request: HttpRequest, kind: str) -> JsonResponse:
    model, _, _ = kind_or_404(kind)
    return JsonResponse({"codes": [code_json(code) for code in model.objects.order_by("code")]})


@login_required
@require_POST
def add(request: HttpRequest, kind: str) -> JsonResponse:
    model, group, _ = kind_or_404(kind)
    code, name = request.POST.get("code", "").strip(), request.POST.get("name", "").strip()
    if not code or not name or model.objects.filter(code=code).exists():
        return JsonResponse({"status": "error", "message": "A new code and a name are needed"}, status=400)
    created = model.objects.create(code=code, name=name)
    publish(group, {"type": f"{kind}_code_created", "code": code_json(created)})
    return JsonResponse({"status": "success", "code": code_json(created)})
