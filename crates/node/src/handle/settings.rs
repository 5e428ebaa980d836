//! Shared settings, as the handle offers them.
//!
//! Boundary: the home shard decides and writes; when a change returns, this server works by it and
//! the others have been told.
//! Read first: [`Node::set_setting`], then [`Seed`].

use feel::Str;

use super::unexpected;
use crate::cluster::settings::{self, InForce, SETTINGS, Setting, Stored};
use crate::cluster::wire::{Answer, Request};
use crate::cluster::{HOME, Wake};
use crate::error::Error;
use crate::handle::Node;
use crate::input::{MissedStart, Mode, Setting as Change};
use crate::published::Condition;

/// What a server's own configuration says of a shared setting: it is the first value, if nobody
/// has set one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The setting.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Where the value comes from, for the log.
    pub origin: String,
}

/// A shared setting as it stands.
#[derive(Debug, Clone)]
pub struct SettingView {
    /// What it is.
    pub setting: &'static Setting,
    /// What was set; none: the default.
    pub stored: Option<Stored>,
}

impl SettingView {
    /// The value in force.
    #[must_use]
    pub fn value(&self) -> &str {
        self.stored.as_ref().map_or(self.setting.default, |stored| &stored.value)
    }
}

impl Node {
    /// All shared settings, in order of their names.
    #[must_use]
    pub fn settings(&self) -> Vec<SettingView> {
        let in_force = self.inner.around.shared.in_force();
        SETTINGS.iter().map(|setting| view(setting, &in_force)).collect()
    }

    /// One shared setting.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`].
    pub fn setting(&self, name: &str) -> Result<SettingView, Error> {
        Ok(view(settings::known(name)?, &self.inner.around.shared.in_force()))
    }

    /// The values in force on this server.
    #[must_use]
    pub fn values(&self) -> settings::Values {
        self.inner.around.shared.in_force().values.clone()
    }

    /// Changes a setting for all servers; none: back to its default. `by` tells who wants it.
    /// Answers the timer start events that were missed in the maintenance mode that this ends.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`], [`Error::Invalid`], or [`Error::Format`].
    pub async fn set_setting(
        &self,
        name: &str,
        value: Option<&str>,
        by: &str,
    ) -> Result<Vec<MissedStart>, Error> {
        settings::known(name)?;
        let change = Change { name: name.into(), value: value.map(Into::into) };
        self.change_settings(vec![change], by.into(), Mode::Set).await
    }

    async fn change_settings(
        &self,
        changes: Vec<Change>,
        by: Str,
        mode: Mode,
    ) -> Result<Vec<MissedStart>, Error> {
        let request = Request::Settings { changes, by, mode };
        let missed = match self.route(HOME, request).await? {
            Answer::Changed(missed) => missed,
            other => return Err(unexpected(&other)),
        };
        self.inner.around.shared.reload(&*self.inner.store).await?;
        self.inner.around.post.look();
        // A full queue is full of the same wish.
        let _ = self.inner.wakes.try_send(Wake::Look);
        Ok(missed)
    }

    /// Puts what this server's configuration says into settings that nobody has set, and logs what
    /// is overridden. Waits until the server is ready.
    pub async fn seed(&self, seeds: &[Seed]) {
        if seeds.is_empty() {
            return;
        }
        while self.condition() != Condition::Ready {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        for Seed { name, value, origin } in seeds {
            let change = Change { name: (*name).into(), value: Some(value.as_str().into()) };
            let by = format!("server `{}`", self.name()).into();
            if let Err(error) = self.change_settings(vec![change], by, Mode::Seed).await {
                tracing::warn!(setting = name, %origin, %error, "not taken over");
                continue;
            }
            let shared = self.setting(name).ok();
            let shared = shared.as_ref().map_or("", |view| view.value());
            if shared != value {
                tracing::warn!(
                    setting = name, %origin, local = %value, %shared,
                    "overridden: the value that all servers share is in force"
                );
            }
        }
    }
}

fn view(setting: &'static Setting, in_force: &InForce) -> SettingView {
    SettingView { setting, stored: in_force.stored.get(setting.name).cloned() }
}
