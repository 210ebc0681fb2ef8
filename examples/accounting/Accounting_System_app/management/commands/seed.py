import json

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandParser

from Accounting_System_app.models import AccountCode, Collaboration, JournalCode, Message, Section, USNAccount

PASSWORD = "example"
PEOPLE = [
    ("maria", "Maria", "Santos", True),
    ("jose", "Jose", "Ramos", False),
    ("lucia", "Lucia", "Cruz", False),
    ("diego", "Diego", "Reyes", False),
]
ACCOUNT_CODES = [("101", "Cash"), ("201", "Accounts payable"), ("501", "Rent")]
JOURNAL_CODES = [("GJ", "General journal"), ("CRJ", "Cash receipts")]


class Command(BaseCommand):
    help = "Creates people, sections and a first message, unless they are there. Everybody's password is `example`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--people", type=int, default=0, help="more people: person1, person2, and so on")

    def handle(self, *args: object, people: int, **options: object) -> None:
        self.create()
        if people:
            self.create_more(people)
        users = get_user_model().objects
        self.stdout.write(json.dumps(dict(users.order_by("id").values_list("username", "id"))))

    def create_more(self, number: int) -> None:
        users = get_user_model().objects
        names = [f"person{at}" for at in range(1, number + 1)]
        known = set(users.filter(username__in=names).values_list("username", flat=True))
        users.bulk_create(users.model(username=name, password="!") for name in names if name not in known)
        everybody, _ = Section.objects.get_or_create(name="Everybody")
        everybody.members.add(*users.filter(username__in=names))

    def create(self) -> None:
        users = get_user_model()
        # One hash for all: hashing takes the better part of a second.
        password = make_password(PASSWORD)
        for number, (username, first, last, teaches) in enumerate(PEOPLE, start=1):
            if users.objects.filter(username=username).exists():
                continue
            user = users.objects.create(
                username=username, password=password, first_name=first, last_name=last, is_staff=teaches)
            USNAccount.objects.create(user=user, usn=f"2026-{number:04}")
        if not users.objects.filter(username="admin").exists():
            users.objects.create(username="admin", password=password, is_staff=True, is_superuser=True)
        if Section.objects.exists():
            return
        people = {user.username: user for user in users.objects.all()}
        Section.objects.create(name="Bookkeeping 1").members.set([people["maria"], people["jose"], people["lucia"]])
        Collaboration.objects.create(journal="Rent 2026").members.set([people["jose"], people["diego"]])
        AccountCode.objects.bulk_create(AccountCode(code=code, name=name) for code, name in ACCOUNT_CODES)
        JournalCode.objects.bulk_create(JournalCode(code=code, name=name) for code, name in JOURNAL_CODES)
        Message.objects.create(
            sender=people["jose"], recipient=people["maria"], subject="Rent", content="Is rent an expense of March?")
