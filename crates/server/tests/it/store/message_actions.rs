//! Helpers that change messages.

use super::TestCluster;
use parlor::domain::{Change, Content, Outcome};
use parlor_protocol::{
    error::Problem,
    ids::{ConversationId, Seq},
    model::{Conversation, Message},
    params::MessagePlace,
    reply::{Answer, Changed, Changes, MessageChanged, MessagePage, Sent},
};

/// The answer to a changed message.
pub(crate) fn changed_message(outcome: Result<Outcome, Problem>) -> Result<MessageChanged, Problem> {
    match outcome? {
        Outcome::Answer(Answer::MessageChanged(changed)) => Ok(*changed),
        other => panic!("{other:?}"),
    }
}

impl TestCluster {
    pub(crate) async fn send_content(
        &self,
        name: &str,
        conversation: ConversationId,
        content: Content,
    ) -> Result<Sent, Problem> {
        let (actor, client_id) = (self.user(name).await, self.key());
        sent(self.app.commit.submit(Change::Send { actor, conversation, client_id, content }).await)
    }

    pub(crate) async fn reply(
        &self,
        name: &str,
        conversation: ConversationId,
        to: i64,
        text: &str,
    ) -> Result<Sent, Problem> {
        self.send_content(name, conversation, Content { reply_to: Some(Seq(to)), ..Content::text(text) }).await
    }

    pub(crate) async fn forward(
        &self,
        name: &str,
        (from, seq): (ConversationId, i64),
        conversation: ConversationId,
    ) -> Result<Sent, Problem> {
        let (actor, client_id) = (self.user(name).await, self.key());
        let from = MessagePlace { conversation: from, seq: Seq(seq) };
        sent(self.app.commit.submit(Change::Forward { actor, conversation, client_id, from }).await)
    }

    pub(crate) async fn edit(
        &self,
        name: &str,
        conversation: ConversationId,
        seq: i64,
        text: &str,
    ) -> Result<MessageChanged, Problem> {
        let actor = self.user(name).await;
        let (seq, text) = (Seq(seq), text.to_owned());
        changed_message(
            self.app
                .commit
                .submit(Change::Edit { actor, conversation, seq, text: Some(text), mentions: vec![], subject: None })
                .await,
        )
    }

    pub(crate) async fn delete(
        &self,
        name: &str,
        conversation: ConversationId,
        seq: i64,
    ) -> Result<MessageChanged, Problem> {
        let actor = self.user(name).await;
        changed_message(self.app.commit.submit(Change::Delete { actor, conversation, seq: Seq(seq) }).await)
    }

    pub(crate) async fn react(
        &self,
        name: &str,
        (conversation, seq): (ConversationId, i64),
        emoji: &str,
        on: bool,
    ) -> Result<MessageChanged, Problem> {
        let (actor, emoji) = (self.user(name).await, emoji.to_owned());
        changed_message(self.app.commit.submit(Change::React { actor, conversation, seq: Seq(seq), emoji, on }).await)
    }

    pub(crate) async fn hide(&self, name: &str, conversation: ConversationId, seq: i64) -> Result<Changed, Problem> {
        let actor = self.user(name).await;
        match self.app.commit.submit(Change::Hide { actor, conversation, seq: Seq(seq) }).await? {
            Outcome::Answer(Answer::Changed(changed)) => Ok(changed),
            other => panic!("{other:?}"),
        }
    }

    /// The conversation as a member sees it.
    pub(crate) async fn seen(&self, name: &str, conversation: ConversationId) -> Conversation {
        let user = self.user(name).await;
        self.app
            .store
            .read(move |snapshot| snapshot.conversation(user, conversation))
            .await
            .expect("read")
            .expect("a member")
    }

    /// Every message as a member sees it, with the messages they answer.
    pub(crate) async fn page(&self, name: &str, conversation: ConversationId) -> MessagePage {
        let user = self.user(name).await;
        let newest = parlor::store::snapshot::PageAnchor::Newest;
        self.app
            .store
            .read(move |snapshot| snapshot.messages(user, conversation, newest, 200))
            .await
            .expect("read")
            .expect("a member")
    }

    /// One message as a member sees it.
    pub(crate) async fn message(&self, name: &str, conversation: ConversationId, seq: i64) -> Message {
        let page = self.page(name, conversation).await;
        page.messages.into_iter().find(|message| message.seq == Seq(seq)).expect("within the history")
    }

    pub(crate) async fn changes(
        &self,
        name: &str,
        conversation: ConversationId,
        since: parlor_protocol::ids::Version,
    ) -> Changes {
        let user = self.user(name).await;
        self.app
            .store
            .read(move |snapshot| snapshot.changes(user, conversation, since))
            .await
            .expect("read")
            .expect("a member")
    }
}

fn sent(outcome: Result<Outcome, Problem>) -> Result<Sent, Problem> {
    match outcome? {
        Outcome::Answer(Answer::Sent(sent)) => Ok(sent),
        other => panic!("{other:?}"),
    }
}
