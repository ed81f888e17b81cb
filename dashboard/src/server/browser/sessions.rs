//! Who has signed in, and the links by which one does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blake2::{Blake2s256, Digest};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::super::console::Grant;
use crate::api::{ApiError, Role};

/// How long a link can be used: as long as it takes a browser to open it, or a person to carry it there.
pub(crate) const LINK_LIFETIME: Duration = Duration::from_secs(300);

/// A session ends when nobody has used it for this long,
const IDLE_MAX: Duration = Duration::from_secs(3600);
/// or when it is this old.
const AGE_MAX: Duration = Duration::from_secs(12 * 3600);

/// An account that was changed by another machine of the same console is noticed within this time,
pub(crate) const ASK_EVERY: Duration = Duration::from_secs(30);
/// and a store that takes longer to tell is asked the next time.
const ASK_MAX: Duration = Duration::from_secs(2);

/// Links and sessions at once; the oldest make room.
const LINKS_MAX: usize = 64;
const SESSIONS_MAX: usize = 256;

/// Bytes of what nobody guesses, however often: wrong ones need no counting.
const SECRET_BYTES: usize = 32;

/// What only its holder knows; kept here as its hash, so that nothing of this memory signs anyone in.
type Hash = [u8; 32];

/// Tells one session from others, and signs nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionKey(Hash);

/// Who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) role: Role,
    /// The account; none for somebody who came by a link.
    pub(crate) account: Option<Arc<str>>,
    pub(crate) key: SessionKey,
}

/// All that have signed in, or may.
///
/// Behind a mutex because every connection has a task of its own; each lock is held for a few map operations.
#[derive(Debug, Default)]
pub struct Sessions {
    book: Mutex<Book>,
    /// Sessions have ended.
    ended: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Book {
    links: BTreeMap<Hash, Link>,
    sessions: BTreeMap<Hash, Session>,
}

#[derive(Debug)]
struct Link {
    role: Role,
    until: Instant,
}

#[derive(Debug)]
struct Session {
    role: Role,
    account: Option<Held>,
    begun: Instant,
    used: Instant,
}

/// The account that a session is of.
#[derive(Debug)]
struct Held {
    name: Arc<str>,
    grant: Grant,
    /// When the store was last asked for it.
    asked: Instant,
}

impl Sessions {
    /// What a link for one use holds, for somebody who may do this much.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn link(&self, role: Role) -> Result<String, getrandom::Error> {
        let now = Instant::now();
        let (secret, hash) = secret()?;
        let mut book = self.book();
        book.links.retain(|_, link| link.until > now);
        make_room(&mut book.links, LINKS_MAX, |link| link.until);
        book.links.insert(hash, Link { role, until: now + LINK_LIFETIME });
        Ok(secret)
    }

    /// Signs in by a link, which is used up; gives the session's secret. Nothing for one that was used before, is over or
    /// never was.
    pub(super) fn sign_in(&self, link: &str) -> Option<(String, Role)> {
        let link = self.book().links.remove(&hash(link));
        let Link { role, .. } = link.filter(|link| link.until > Instant::now())?;
        // Without randomness there are no sessions, and the link is gone: the next one may have better luck.
        Some((self.begin(role, None)?, role))
    }

    /// Begins a session; gives its secret. Nothing when the system has no randomness.
    pub(super) fn begin(&self, role: Role, account: Option<(Arc<str>, Grant)>) -> Option<String> {
        let now = Instant::now();
        let (secret, hash) = secret().ok()?;
        let account = account.map(|(name, grant)| Held { name, grant, asked: now });
        let mut book = self.book();
        book.sessions.retain(|_, session| session.is_alive(now));
        make_room(&mut book.sessions, SESSIONS_MAX, |session| session.used);
        book.sessions.insert(hash, Session { role, account, begun: now, used: now });
        Some(secret)
    }

    /// Who has this secret, if it is that of a session.
    pub(super) fn who(&self, secret: &str) -> Option<Signed> {
        self.used(SessionKey(hash(secret)))
    }

    /// Whose session this is, while it lasts; it is in use.
    pub(crate) fn used(&self, key: SessionKey) -> Option<Signed> {
        let now = Instant::now();
        let mut book = self.book();
        let session = book.sessions.get_mut(&key.0).filter(|session| session.is_alive(now))?;
        session.used = now;
        let account = session.account.as_ref().map(|held| held.name.clone());
        Some(Signed { role: session.role, account, key })
    }

    /// Asks whether a session's account still is what it was, if nobody has asked for a while; ends the session if not.
    /// A store that does not answer ends nothing.
    pub(crate) async fn ask<F>(&self, key: SessionKey, grant_of: impl FnOnce(Arc<str>) -> F)
    where
        F: Future<Output = Result<Option<Grant>, ApiError>>,
    {
        let Some(account) = self.due(key) else { return };
        let Ok(Ok(grant)) = timeout(ASK_MAX, grant_of(account)).await else { return };
        let mut book = self.book();
        let held = book.sessions.get(&key.0).and_then(|session| session.account.as_ref());
        if held.is_some_and(|held| Some(held.grant) != grant) {
            book.sessions.remove(&key.0);
            self.ended.send_replace(());
        }
    }

    /// The account that the store is to be asked for; others do not ask meanwhile.
    fn due(&self, key: SessionKey) -> Option<Arc<str>> {
        let now = Instant::now();
        let mut book = self.book();
        let held = book.sessions.get_mut(&key.0)?.account.as_mut()?;
        if now.duration_since(held.asked) < ASK_EVERY {
            return None;
        }
        held.asked = now;
        Some(held.name.clone())
    }

    /// Ends all sessions of an account but one, which holds on to something else from now on.
    pub(crate) fn end_all_of(&self, account: &str, but: Option<(SessionKey, Grant)>) {
        self.book().sessions.retain(|hash, session| match (&mut session.account, but) {
            (Some(held), Some((SessionKey(own), grant))) if *held.name == *account && own == *hash => {
                held.grant = grant;
                true
            }
            (Some(held), _) => *held.name != *account,
            (None, _) => true,
        });
        self.ended.send_replace(());
    }

    /// Ends a session.
    pub(super) fn sign_out(&self, secret: &str) {
        self.book().sessions.remove(&hash(secret));
        self.ended.send_replace(());
    }

    /// Tells whenever sessions have ended, though not which.
    pub(crate) fn endings(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_alive(&self, now: Instant) -> bool {
        now.duration_since(self.used) < IDLE_MAX && now.duration_since(self.begun) < AGE_MAX
    }
}

/// Takes away the one with the least of something, if there are too many.
fn make_room<T, K: Ord>(entries: &mut BTreeMap<Hash, T>, most: usize, rank: impl Fn(&T) -> K) {
    if entries.len() >= most
        && let Some(least) = entries.iter().min_by_key(|(_, entry)| rank(entry)).map(|(hash, _)| *hash)
    {
        entries.remove(&least);
    }
}

/// Something that nobody guesses, as text, and its hash.
fn secret() -> Result<(String, Hash), getrandom::Error> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)?;
    let text = hex::encode(bytes);
    let hash = hash(&text);
    Ok((text, hash))
}

fn hash(secret: &str) -> Hash {
    Blake2s256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ErrorCode;

    fn role_of(sessions: &Sessions, secret: &str) -> Option<Role> {
        sessions.who(secret).map(|signed| signed.role)
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_is_signed_out_everywhere_but_where_somebody_says_so() {
        let sessions = Sessions::default();
        let begin = |account: Option<&str>| {
            sessions.begin(Role::Admin, account.map(|name| (Arc::from(name), Grant([1; 32])))).unwrap()
        };
        let (here, there, other, by_link) = (begin(Some("ada")), begin(Some("ada")), begin(Some("bo")), begin(None));
        let here_key = sessions.who(&here).unwrap().key;
        sessions.end_all_of("ada", Some((here_key, Grant([2; 32]))));
        let alive = [&here, &there, &other, &by_link].map(|secret| sessions.who(secret).is_some());
        assert_eq!(alive, [true, false, true, true]);
        tokio::time::advance(ASK_EVERY).await;
        sessions.ask(here_key, async |_| Ok(Some(Grant([2; 32])))).await;
        assert!(sessions.who(&here).is_some(), "it holds on to the new one");
        sessions.end_all_of("ada", None);
        assert_eq!(sessions.who(&here), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_its_account_is_gone_or_another_one_elsewhere() {
        const OWN: Grant = Grant([1; 32]);
        let sessions = Sessions::default();
        for (told, is_alive) in [(Some(OWN), true), (Some(Grant([2; 32])), false), (None, false)] {
            let secret = sessions.begin(Role::Admin, Some(("ada".into(), OWN))).unwrap();
            let key = sessions.who(&secret).unwrap().key;
            let endings = sessions.endings();
            sessions.ask(key, async |_| panic!("it has just begun")).await;
            tokio::time::advance(ASK_EVERY).await;
            sessions.ask(key, async |_| Err(ApiError::new(ErrorCode::Internal, "the store is gone"))).await;
            assert!(sessions.who(&secret).is_some(), "nobody knows");
            tokio::time::advance(ASK_EVERY).await;
            sessions.ask(key, async |_| std::future::pending().await).await;
            assert!(sessions.who(&secret).is_some(), "nobody answers");
            tokio::time::advance(ASK_EVERY).await;
            sessions.ask(key, async |name| Ok(told.filter(|_| &*name == "ada"))).await;
            assert_eq!(sessions.who(&secret).is_some(), is_alive);
            assert_eq!(endings.has_changed().unwrap(), !is_alive);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_signs_in_once_and_for_its_time() {
        let sessions = Sessions::default();
        let link = sessions.link(Role::Operator).unwrap();
        let (secret, role) = sessions.sign_in(&link).unwrap();
        assert_eq!((role, role_of(&sessions, &secret)), (Role::Operator, Some(Role::Operator)));
        assert_eq!(sessions.sign_in(&link), None, "used");
        let late = sessions.link(Role::Admin).unwrap();
        tokio::time::advance(LINK_LIFETIME).await;
        assert_eq!(sessions.sign_in(&late), None, "over");
        assert_eq!(role_of(&sessions, &link), None, "a link is no session");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_word_by_silence_and_by_age() {
        let sessions = Sessions::default();
        let begin = || sessions.sign_in(&sessions.link(Role::Admin).unwrap()).unwrap().0;
        let left = begin();
        sessions.sign_out(&left);
        assert_eq!(role_of(&sessions, &left), None);
        let silent = begin();
        tokio::time::advance(IDLE_MAX).await;
        assert_eq!(role_of(&sessions, &silent), None);
        let used = begin();
        for _ in 0..AGE_MAX.as_secs() / 1800 - 1 {
            tokio::time::advance(Duration::from_secs(1800)).await;
            assert_eq!(role_of(&sessions, &used), Some(Role::Admin));
        }
        tokio::time::advance(Duration::from_secs(1800)).await;
        assert_eq!(role_of(&sessions, &used), None);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_there_is_room_for_end_the_oldest() {
        let sessions = Sessions::default();
        let secrets: Vec<String> =
            (0..=SESSIONS_MAX).map(|_| sessions.sign_in(&sessions.link(Role::Viewer).unwrap()).unwrap().0).collect();
        let alive = secrets.iter().filter(|secret| sessions.who(secret).is_some()).count();
        assert_eq!(alive, SESSIONS_MAX);
    }
}
