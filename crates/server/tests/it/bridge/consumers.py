"""A process of a Django site: a channel layer, and consumers in its groups.

Reads one JSON command a line, and answers each with one line. What consumers receive is written as it comes.
"""

import asyncio
import json
import sys

import django
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings

layer_class, hosts, prefix, serializer, *keys = sys.argv[1:]
config = {"hosts": hosts.split(","), "prefix": prefix, "serializer_format": serializer}
if keys:
    config["symmetric_encryption_keys"] = keys
settings.configure(CHANNEL_LAYERS={"default": {"BACKEND": layer_class, "CONFIG": config}})
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402


def say(**fields):
    print(json.dumps(fields), flush=True)


class Consumer(AsyncWebsocketConsumer):
    """Has a method for one type only: any other type ends it."""

    async def connect(self):
        self.group = self.scope["path"].strip("/")
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def new_message(self, event):
        await self.send(text_data=json.dumps(event))


async def listen(communicator):
    while True:
        event = await communicator.receive_output(timeout=600)
        say(received=json.loads(event["text"]))


async def main():
    layer, communicators, tasks = get_channel_layer(), [], []
    say(ready=True)
    while line := await sync_to_async(sys.stdin.readline, thread_sensitive=False)():
        command = json.loads(line)
        try:
            if command["do"] == "group_send":
                for message in command["messages"]:
                    await layer.group_send(command["group"], message)
            elif command["do"] == "consume":
                scope = {"type": "websocket", "path": "/" + command["group"]}
                communicator = ApplicationCommunicator(Consumer.as_asgi(), scope)
                await communicator.send_input({"type": "websocket.connect"})
                assert (await communicator.receive_output())["type"] == "websocket.accept"
                communicators.append(communicator)
                tasks.append(asyncio.ensure_future(listen(communicator)))
            elif command["do"] == "add":
                await layer.group_add(command["group"], await layer.new_channel())
            say(done=command["do"])
        except Exception as error:  # The test decides whether it matters.
            say(failed=repr(error))


asyncio.run(main())
