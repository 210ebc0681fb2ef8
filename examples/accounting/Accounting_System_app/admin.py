from django.contrib import admin

from .models import AccountCode, Collaboration, JournalCode, Message, MessageAttachment, Section

admin.site.register([AccountCode, Collaboration, JournalCode, Message, MessageAttachment, Section])
