//! What the desktop tells the pages: an invite was opened, the tray was used. Kept until the pages listen.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tauri::ipc::Channel;

/// Something for the pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Notice {
    /// Somebody opened an invite.
    Invite {
        /// The invite.
        invite: String,
    },
    /// Somebody opened something that is none.
    NotAnInvite,
    /// Somebody pressed the tray's switch.
    Switch,
}

/// The way to the pages. A lock, as the tray, a second instance and the pages themselves come from different threads.
#[derive(Default)]
pub(crate) struct Notices(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    channel: Option<Channel<Notice>>,
    /// The latest one that nobody has heard; an older invite is not what the person wants now.
    unheard: Option<Notice>,
}

impl Notices {
    /// Tells the pages, now or when they listen.
    pub(crate) fn tell(&self, notice: Notice) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unheard = match &waiting.channel {
            Some(channel) => channel.send(notice.clone()).is_err().then_some(notice),
            None => Some(notice),
        };
        waiting.unheard = unheard;
    }

    /// Tells what comes from now on, and what nobody has heard, to these pages.
    pub(crate) fn listen(&self, channel: Channel<Notice>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.channel = Some(channel);
        let unheard = waiting.unheard.take();
        drop(waiting);
        if let Some(notice) = unheard {
            self.tell(notice);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tauri::ipc::InvokeResponseBody;

    use super::*;

    #[test]
    fn what_came_before_the_pages_listened_is_told_once() {
        let notices = Notices::default();
        notices.tell(Notice::NotAnInvite);
        notices.tell(Notice::Invite { invite: "holloway1x".to_owned() });
        let heard = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..2 {
            let heard = Arc::clone(&heard);
            notices.listen(Channel::new(move |body| {
                if let InvokeResponseBody::Json(json) = body {
                    heard.lock().unwrap().push(json);
                }
                Ok(())
            }));
        }
        notices.tell(Notice::Switch);
        let told = heard.lock().unwrap().clone();
        assert_eq!(told, [r#"{"kind":"invite","invite":"holloway1x"}"#, r#"{"kind":"switch"}"#]);
    }
}
