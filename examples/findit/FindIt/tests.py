"""What the page and Parlor's profile rely on."""
import json

from django.contrib.auth import get_user_model
from django.test import TestCase

from .models import Item, Message


class MessageViews(TestCase):
    def setUp(self) -> None:
        users = get_user_model().objects
        self.ada, self.ben, self.cleo = (users.create_user(name) for name in ["ada", "ben", "cleo"])
        self.item = Item.objects.create(user=self.ben, title="Blue backpack", status="found")
        self.client.force_login(self.ada)

    def say(self, sender, recipient, text: str) -> Message:
        return Message.objects.create(sender=sender, recipient=recipient, item=self.item, content=text)

    def thread(self, **query: object) -> list[str]:
        page = self.client.get("/inbox/", {"item_id": self.item.id, "recipient_id": self.ben.id, **query})
        return [message.content for message in page.context["thread"]]

    def test_tables_have_the_names_that_the_profile_names(self) -> None:
        self.assertEqual(Message._meta.db_table, "FindIt_message")
        columns = [field.column for field in Message._meta.concrete_fields]
        self.assertEqual(columns, [
            "id", "sender_id", "recipient_id", "item_id", "content", "image", "timestamp", "is_read",
            "deleted_by_sender", "deleted_by_recipient",
        ])

    def test_the_inbox_marks_everything_read_and_the_badge_counts_the_rest(self) -> None:
        self.say(self.ben, self.ada, "one")
        self.say(self.cleo, self.ada, "two")
        self.assertContains(self.client.get("/"), '<span class="badge">2</span>')
        self.client.get("/inbox/")
        self.assertEqual(Message.objects.filter(is_read=False).count(), 0)

    def test_a_post_sends_and_leads_back(self) -> None:
        body = {"item_id": self.item.id, "recipient_id": self.ben.id, "message": "Is it still there?"}
        answer = self.client.post("/inbox/", body)
        self.assertRedirects(answer, f"/inbox/?item_id={self.item.id}&recipient_id={self.ben.id}")
        self.assertEqual(self.thread(), ["Is it still there?"])

    def test_what_is_no_number_names_nothing(self) -> None:
        self.assertEqual(self.client.get("/inbox/?item_id=null&recipient_id=2").status_code, 404)
        body = {"item_id": self.item.id, "recipient_id": "null", "message": "To nobody"}
        self.assertEqual(self.client.post("/inbox/", body).status_code, 404)

    def test_archiving_hides_rows_for_oneself_and_later_rows_are_shown(self) -> None:
        self.say(self.ben, self.ada, "old")
        body = {"action": "archive", "item_id": self.item.id, "recipient_id": self.ben.id}
        self.client.post("/clear-conversation/", json.dumps(body), content_type="application/json")
        self.say(self.ben, self.ada, "new")
        self.assertEqual((self.thread(), self.thread(archived=1)), (["new"], ["old"]))

    def test_deleting_removes_the_rows_for_both(self) -> None:
        self.say(self.ben, self.ada, "gone")
        self.say(self.ben, self.cleo, "another conversation")
        body = {"action": "delete", "item_id": self.item.id, "recipient_id": self.ben.id}
        self.client.post("/clear-conversation/", json.dumps(body), content_type="application/json")
        self.assertEqual([message.content for message in Message.objects.all()], ["another conversation"])
