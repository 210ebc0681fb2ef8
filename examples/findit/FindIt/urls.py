from django.urls import path

from . import views

urlpatterns = [
    path("", views.items, name="items"),
    path("items/<int:item_id>/", views.item, name="item"),
    path("items/<int:item_id>/message/<int:user_id>/", views.item_messages, name="item_messages"),
    path("inbox/", views.inbox, name="inbox"),
    path("clear-conversation/", views.clear_conversation, name="clear_conversation"),
    path("delete-account/", views.delete_account, name="delete_account"),
]
