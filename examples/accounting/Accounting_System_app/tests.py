"""What the pages and Parlor's profile rely on."""
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import TestCase

from .models import Message, MessageAttachment, Section


class MessageViews(TestCase):
    def setUp(self) -> None:
        users = get_user_model().objects
        names = ["maria", "jose", "lucia", "stranger"]
        self.maria, self.jose, self.lucia, self.stranger = (users.create_user(name) for name in names)
        Section.objects.create(name="Bookkeeping 1").members.set([self.maria, self.jose, self.lucia])
        self.client.force_login(self.maria, backend="Accounting_System_app.auth_backends.USNAccountsBackend")

    def send(self, *recipients, **more: object):
        body = {"recipients": [user.id for user in recipients], "content": "Is it paid?", **more}
        return self.client.post("/AccountingSystemmessages/send/", body, headers={"X-Requested-With": "XMLHttpRequest"})

    def test_tables_have_the_names_that_the_profile_names(self) -> None:
        columns = {model._meta.db_table: [field.column for field in model._meta.concrete_fields]
                   for model in [Message, MessageAttachment]}
        self.assertEqual(columns, {
            "messages_table": ["id", "sender_id", "recipient_id", "subject", "content", "created_at", "updated_at",
                               "is_read"],
            "message_attachments_table": ["id", "message_id", "file", "filename", "file_size", "uploaded_at"],
        })

    def test_a_message_to_two_people_is_two_rows_with_their_own_files(self) -> None:
        file = SimpleUploadedFile("rent.txt", b"1200")
        answer = self.send(self.jose, self.lucia, attachments=[file])
        self.assertEqual(len(answer.json()["message_ids"]), 2)
        files = MessageAttachment.objects.order_by("id")
        self.assertEqual([attachment.file.read() for attachment in files], [b"1200", b"1200"])
        self.assertNotEqual(files[0].file.name, files[1].file.name)
        for attachment in files:
            attachment.file.close()
            attachment.file.delete(save=False)

    def test_only_people_who_are_connected_can_be_written_to(self) -> None:
        self.assertEqual(self.send(self.stranger).status_code, 403)
        self.assertEqual(self.send(self.jose, self.stranger).status_code, 403)
        self.assertFalse(Message.objects.exists())

    def test_a_poll_shows_what_was_unread_and_marks_it_read(self) -> None:
        Message.objects.create(sender=self.jose, recipient=self.maria, subject="", content="one")
        Message.objects.create(sender=self.stranger, recipient=self.maria, content="two")
        lists = self.client.get("/AccountingSystemmessages/get/").json()
        self.assertEqual([(one["content"], one["subject"], one["is_read"]) for one in lists["received"]],
                         [("one", "No Subject", False)])
        self.assertEqual([one["content"] for one in lists["archive"]], ["two"])
        self.assertEqual(self.client.get("/messages/unread/").json(), {"unread_count": 1})

    def test_either_side_deletes_for_both_and_others_cannot(self) -> None:
        message = Message.objects.create(sender=self.jose, recipient=self.maria, content="gone")
        other = Message.objects.create(sender=self.jose, recipient=self.lucia, content="stays")
        self.assertEqual(self.client.post(f"/messages/delete/{message.id}/").status_code, 200)
        self.assertEqual(self.client.post(f"/messages/delete/{other.id}/").status_code, 404)
        self.assertEqual(list(Message.objects.values_list("content", flat=True)), ["stays"])
