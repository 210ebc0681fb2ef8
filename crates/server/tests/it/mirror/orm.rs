//! Django 5.2 itself writes the messages: what its ORM does is in Parlor, whatever statements it takes.

use super::{Beside, Host, HostServer, commands, on_all_hosts, until, until_shown};
use crate::django_host::DjangoHost;
use parlor::host::{HostDatabase, HostOptions};
use parlor_protocol::ids::ConversationId;
use serde_json::json;
use std::time::Duration;

on_all_hosts! {
    saves_updates_and_deletions_of_the_orm_are_followed,
}

/// Parlor beside a Django with the users 1 (ada), 2 (ben) and 3 (cleo).
struct DjangoBeside {
    django: DjangoHost,
    beside: Beside,
}

impl DjangoBeside {
    async fn start(server: &HostServer, profile: &'static str) -> Option<Self> {
        let django = if server.url.starts_with("sqlite:") {
            DjangoHost::start("db")
        } else {
            DjangoHost::on_server(&server.url)
        };
        let mut django = django?;
        django.run("create_messaging", &json!({}));
        for (login, id) in [("ada", 1), ("ben", 2), ("cleo", 3)] {
            assert_eq!(django.user(login), id);
        }
        let url = django.url.parse().expect("a URL");
        let database = HostDatabase::new(HostOptions { url, connections: 2, timeout: Duration::from_secs(10) });
        let host = Host { database, url: django.url.clone(), profile };
        let beside = Beside::start_beside(host, &[]).await;
        until("the mirror runs", || async { beside.app.metrics.mirror.connected.get() == 1 }).await;
        Some(Self { django, beside })
    }

    /// Runs Python with Django's models.
    fn run(&mut self, code: &str) {
        self.django.run("do", &json!({ "code": code }));
    }

    async fn shows(&self, conversation: ConversationId, texts: &[&str]) {
        until_shown(&self.beside, 1, conversation, texts).await;
    }

    /// Stops Parlor and compares everything.
    async fn assert_equal(&self) {
        self.beside.app.stop().await;
        let checked = commands::run(&self.beside, &["mirror", "check"]);
        assert!(checked.status.success(), "{}", commands::text(&checked));
    }
}

async fn saves_updates_and_deletions_of_the_orm_are_followed(server: HostServer) {
    let Some(mut site) = DjangoBeside::start(&server, "accounting").await else { return };
    site.run("Message(sender_id=1, recipient_id=2, content='saved').save()");
    let conversation = site.beside.conversation(1, 2).await;
    site.shows(conversation, &["saved"]).await;
    site.run(
        "Message.objects.bulk_create([Message(sender_id=2, recipient_id=1, content=f'bulk {n}') for n in range(3)])",
    );
    site.shows(conversation, &["saved", "bulk 0", "bulk 1", "bulk 2"]).await;
    site.run("Message.objects.filter(recipient_id=1).update(is_read=True)");
    until("everything of theirs is read", || async { site.beside.unread(1).await == 0 }).await;
    assert_eq!(site.beside.unread(2).await, 1);
    site.run("message = Message.objects.get(content='bulk 1')\nmessage.content = 'edited'\nmessage.save(update_fields=['content'])");
    site.shows(conversation, &["saved", "bulk 0", "edited", "bulk 2"]).await;
    site.run(
        "messages = list(Message.objects.filter(content__startswith='bulk'))\n\
         for message in messages: message.content = message.content.upper()\n\
         Message.objects.bulk_update(messages, ['content'])",
    );
    site.shows(conversation, &["saved", "BULK 0", "edited", "BULK 2"]).await;
    // What is rolled back was never there, and what is around it stays.
    site.run(
        "try:\n    with transaction.atomic():\n        Message(sender_id=1, recipient_id=2, content='never').save()\n        \
         Message.objects.filter(content='saved').delete()\n        raise ValueError\nexcept ValueError: pass\n\
         with transaction.atomic():\n    Message(sender_id=1, recipient_id=2, content='outer').save()\n    \
         try:\n        with transaction.atomic():\n            \
         Message.objects.update(content='never')\n            raise ValueError\n    except ValueError: pass\n",
    );
    site.shows(conversation, &["saved", "BULK 0", "edited", "BULK 2", "outer"]).await;
    site.run(
        "Message.objects.get(content='saved').delete()\nMessage.objects.filter(content__startswith='BULK').delete()",
    );
    site.shows(conversation, &["edited", "outer"]).await;
    assert_eq!(site.beside.unread(2).await, 1);
    site.assert_equal().await;
}
