//! What each kind of client does.
//!
//! Boundary: one function per wish; a client ends when its wish is fulfilled, or when it cannot
//! know whether it is and must not try again.
//! Read first: [`fulfil`].

use std::sync::Arc;
use std::time::Duration;

use engine::ids::InstanceKey;
use feel::{Context, Value};
use node::{Change, Error, NewMessage, Publication, Terms, Which};

use super::hold::{hold, name_of};
use super::{PAUSE_MS, Trouble, ask, pause, texts};
use crate::dice::Dice;
use crate::history::Fact;
use crate::models::{PACKAGE, package};
use crate::setup::Wish;
use crate::world::World;

/// How long a client waits for the end of its instance, in milliseconds.
const WAIT_MS: u64 = 4_000;
/// How long messages live that nobody is in a hurry for.
const HOUR_MS: i64 = 3_600_000;
const SOURCE: &str = "sim";

/// One client.
struct Client {
    world: Arc<World>,
    dice: Dice,
    reference: String,
}

/// Does what one client wants.
pub(crate) async fn fulfil(world: Arc<World>, number: usize, wish: Wish) {
    let dice = Dice::new(world.setup.seed, &format!("client {number}"));
    let reference = format!("r{number}");
    let client = Client { world, dice, reference };
    let own = client.reference.clone();
    match wish {
        Wish::Order => client.order(Some(&own)).await,
        Wish::Loose => client.order(None).await,
        Wish::Fork => {
            if client.dice.happens(500) {
                client.pay().await;
                client.create("fork", &[]).await;
            } else {
                client.create("fork", &[]).await;
                pause(client.dice.range(0..=800)).await;
                client.pay().await;
            }
        }
        Wish::Cancelled => {
            if let Some(instance) = client.create("fork", &[]).await {
                pause(client.dice.range(0..=500)).await;
                client.cancel(instance).await;
            }
        }
        Wish::Await(time_to_live_ms) => {
            if client.dice.happens(500) {
                client.go(time_to_live_ms).await;
                client.create("wait", &[]).await;
            } else {
                client.create("wait", &[]).await;
                pause(client.dice.range(0..=400)).await;
                client.go(time_to_live_ms).await;
            }
        }
        Wish::Open(number) => {
            for message in 0..number {
                client.open(message).await;
                pause(client.dice.range(0..=200)).await;
            }
        }
        Wish::Late => client.create_and_wait("late").await,
        Wish::Guard(lock) => {
            client.create("guard", &[("lock", &name_of(lock))]).await;
        }
        Wish::Hold(lock) => hold(client.world, number, lock).await,
        Wish::Tell => {
            client.create("wait", &[]).await;
            client.create("tell", &[("told", &own)]).await;
        }
    }
}

/// Deploys a version of the package until it is told that it is there.
pub(crate) async fn deploy(world: Arc<World>, version: u32) {
    let dice = Dice::new(world.setup.seed, &format!("deploy {version}"));
    loop {
        let source = package(version);
        let what = format!("deploy version {version}");
        let asked = ask(&world, &dice, &what, |node| async move {
            // A try whose answer was lost may come after the next version.
            let terms = Terms { allow_downgrade: true, ..Terms::default() };
            let begun = node.change(Change::Deploy(vec![source]), terms).await?;
            node.deployment_ended(begun.key).await
        });
        match asked.await {
            Ok(_) => break,
            Err(Trouble::Refused(error)) => {
                let what = format!("version {version} of the package is refused: {error}");
                world.history.note(Fact::Unfounded { what, about: "deploy".to_owned() });
                break;
            }
            Err(Trouble::NotDone | Trouble::Unknown) => pause(PAUSE_MS).await,
        }
    }
    world.trace.line("ask", format_args!("= version {version} is deployed"));
}

impl Client {
    fn tried(&self) {
        self.world.history.note(Fact::Tried { reference: self.reference.clone() });
    }

    /// Publishes an order; without an id only once.
    async fn order(&self, id: Option<&str>) {
        while let Err(trouble) = self.publish("order", id).await {
            if matches!(trouble, Trouble::Unknown) && id.is_none() {
                self.tried();
                return;
            }
            pause(PAUSE_MS).await;
        }
    }

    /// Publishes the document that an instance waits for.
    async fn pay(&self) {
        let id = format!("paid-{}", self.reference);
        while self.publish("paid", Some(&id)).await.is_err() {
            pause(PAUSE_MS).await;
        }
    }

    async fn publish(&self, kind: &str, id: Option<&str>) -> Result<(), Trouble> {
        let what = format!("publish {kind} {} id {id:?}", self.reference);
        let data = Value::Context(texts(&[("ref", &self.reference)]));
        let (source, id) = (Some(SOURCE.to_owned()), id.map(str::to_owned));
        let publication = Publication { source, id: id.clone(), data };
        let kind = format!("{PACKAGE}/{kind}");
        let world = &self.world;
        let accepted = ask(world, &self.dice, &what, |node| async move {
            let accepted = node.publish(&kind, vec![publication]).await?.pop();
            let accepted = accepted.unwrap_or_else(|| {
                Err(Error::Internal { detail: "an answer is missing".into() })
            })?;
            if let Some(id) = id {
                world.expect_seen(SOURCE, &id).await;
            }
            Ok(accepted)
        });
        let document = accepted.await?.document;
        world.trace.line("ask", format_args!("= {what}: {document}"));
        let reference = self.reference.clone();
        world.history.note(Fact::Accepted { reference, document });
        Ok(())
    }

    /// Creates an instance, once.
    async fn create(&self, process: &str, more: &[(&str, &str)]) -> Option<InstanceKey> {
        let what = format!("create {process} {}", self.reference);
        loop {
            let world = &self.world;
            let which = Which::Enabled(process.into());
            let variables = self.variables(more);
            let asked = ask(world, &self.dice, &what, |node| async move {
                let created = node.create(which, variables).await?;
                world.expect_instance(created.instance).await;
                Ok(created)
            });
            match asked.await {
                Ok(created) => {
                    self.created(created.instance, &what);
                    return Some(created.instance);
                }
                Err(Trouble::Unknown) => {
                    self.tried();
                    return None;
                }
                // The process may not be deployed yet.
                Err(Trouble::NotDone | Trouble::Refused(_)) => pause(PAUSE_MS).await,
            }
        }
    }

    async fn create_and_wait(&self, process: &str) {
        let what = format!("create and await {process} {}", self.reference);
        loop {
            let world = &self.world;
            let which = Which::Enabled(process.into());
            let variables = self.variables(&[]);
            let asked = ask(world, &self.dice, &what, |node| async move {
                let patience = Duration::from_millis(WAIT_MS);
                let ended = node.create_and_wait(which, variables, patience).await?;
                world.expect_ended(ended.created.instance).await;
                Ok(ended)
            });
            match asked.await {
                Ok(ended) => return self.created(ended.created.instance, &what),
                // It goes on elsewhere.
                Err(Trouble::Unknown | Trouble::Refused(Error::State { .. })) => {
                    return self.tried();
                }
                Err(Trouble::NotDone | Trouble::Refused(_)) => pause(PAUSE_MS).await,
            }
        }
    }

    fn created(&self, instance: InstanceKey, what: &str) {
        self.world.trace.line("ask", format_args!("= {what}: {instance}"));
        let reference = self.reference.clone();
        self.world.history.note(Fact::Created { reference, instance });
    }

    fn variables(&self, more: &[(&str, &str)]) -> Context {
        let mut all = vec![("ref", self.reference.as_str())];
        all.extend(more);
        texts(&all)
    }

    async fn cancel(&self, instance: InstanceKey) {
        let what = format!("cancel {instance}");
        loop {
            let asked =
                ask(
                    &self.world,
                    &self.dice,
                    &what,
                    |node| async move { node.cancel(instance).await },
                );
            match asked.await {
                Ok(()) | Err(Trouble::Refused(_)) => return,
                Err(Trouble::NotDone | Trouble::Unknown) => pause(PAUSE_MS).await,
            }
        }
    }

    /// Publishes what an instance waits for; it may be too late, or live too short.
    async fn go(&self, time_to_live_ms: u64) {
        let message = NewMessage {
            name: "go".into(),
            key: self.reference.as_str().into(),
            id: format!("go-{}", self.reference).into(),
            time_to_live_ms: i64::try_from(time_to_live_ms).unwrap_or(HOUR_MS),
            variables: texts(&[("msg", &format!("go-{}", self.reference))]),
        };
        while let Err(trouble) = self.message(&message).await {
            if matches!(trouble, Trouble::Refused(Error::Exists { .. })) {
                return;
            }
            pause(PAUSE_MS).await;
        }
    }

    /// Publishes a message that starts an instance, once.
    async fn open(&self, number: u64) {
        let id = format!("open-{}-{number}", self.reference);
        let message = NewMessage {
            name: "open".into(),
            key: self.reference.as_str().into(),
            id: id.as_str().into(),
            time_to_live_ms: HOUR_MS,
            variables: texts(&[("ref", &self.reference), ("msg", &id)]),
        };
        loop {
            match self.message(&message).await {
                Ok(()) => {
                    let reference = self.reference.clone();
                    return self.world.history.note(Fact::Published { reference });
                }
                Err(Trouble::Unknown) => return self.tried(),
                // A request that the network doubled, or that a server repeated, did it, and nobody
                // heard its answer.
                Err(Trouble::Refused(Error::Exists { .. })) => return self.tried(),
                Err(Trouble::NotDone | Trouble::Refused(_)) => pause(PAUSE_MS).await,
            }
        }
    }

    async fn message(&self, message: &NewMessage) -> Result<(), Trouble> {
        let what = format!("message {} {} id {}", message.name, message.key, message.id);
        let sent = message.clone();
        let asked = ask(&self.world, &self.dice, &what, |node| async move {
            // A message for a process that is not there yet would only be buffered.
            if node.catalog().revision == 0 {
                return Err(Error::Unavailable { doing: "waiting for the package" });
            }
            node.publish_message(sent).await
        });
        let key = asked.await?;
        self.world.trace.line("ask", format_args!("= {what}: msg_{key}"));
        Ok(())
    }
}
