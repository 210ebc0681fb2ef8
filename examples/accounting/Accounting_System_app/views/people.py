"""What an administrator does to accounts."""
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import user_passes_test
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

only_superusers = user_passes_test(lambda user: user.is_superuser)


def named(request: HttpRequest):
    number = request.POST.get("user_id", "")
    return get_object_or_404(get_user_model(), pk=number if number.isdigit() else 0)


@only_superusers
@require_POST
def delete_user(request: HttpRequest) -> JsonResponse:
    """Their messages go with them."""
    named(request).delete()
    return JsonResponse({"status": "success"})


@only_superusers
@require_POST
def toggle_user_active(request: HttpRequest) -> JsonResponse:
    user = named(request)
    user.is_active = not user.is_active
    user.save(update_fields=["is_active"])
    return JsonResponse({"status": "success", "is_active": user.is_active})


@only_superusers
@require_POST
def change_user_password(request: HttpRequest) -> JsonResponse:
    user = named(request)
    user.set_password(request.POST.get("password", ""))
    user.save(update_fields=["password"])
    return JsonResponse({"status": "success"})
