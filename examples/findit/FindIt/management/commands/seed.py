import json

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandParser

from FindIt.models import Item, Message

PASSWORD = "example"
PEOPLE = [("ada", "Ada", "Winter"), ("ben", "Ben", "Okafor"), ("cleo", "Cleo", "Marchetti")]
ITEMS = [
    ("ada", "lost", "Black umbrella", "Tram 18, Friday", "Wooden handle, one rib is bent."),
    ("ben", "found", "Blue backpack", "Library, second floor", "A chemistry book and a lunch box are inside."),
    ("cleo", "found", "Silver ring", "Sports hall", "Tell me what is engraved in it."),
    ("ben", "lost", "Bicycle key", "Between station and campus", "On a red ribbon."),
]


class Command(BaseCommand):
    help = "Creates people, items and a first message, unless they are there. Everybody's password is `example`."

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

    def create(self) -> None:
        users = get_user_model()
        # One hash for all: hashing takes the better part of a second.
        password = make_password(PASSWORD)
        for username, first, last in PEOPLE:
            if not users.objects.filter(username=username).exists():
                users.objects.create(username=username, password=password, first_name=first, last_name=last)
        if not users.objects.filter(username="admin").exists():
            users.objects.create(username="admin", password=password, is_staff=True, is_superuser=True)
        if Item.objects.exists():
            return
        people = {user.username: user for user in users.objects.all()}
        for username, status, title, location, description in ITEMS:
            Item.objects.create(
                user=people[username], status=status, title=title, location=location, description=description)
        Message.objects.create(
            sender=people["cleo"], recipient=people["ada"], item=Item.objects.get(title="Black umbrella"),
            content="Is the handle made of cherry wood?")
