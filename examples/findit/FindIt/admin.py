from django.contrib import admin

from .models import Item, Message


@admin.register(Item)
class ItemAdmin(admin.ModelAdmin):
    list_display = ["title", "status", "user"]


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    list_display = ["id", "item", "sender", "recipient", "content", "is_read"]
