//! The one owner of what was changed: decides, applies, falls back, takes back.

use std::fmt;
use std::net::SocketAddr;

use holloway_config::Integrate;

use super::block::{self, HostsEntry};
use super::journal::{Before, Content, Hosts, Journal, ResolvConf};
use super::replace::{Attributes, Existing, is_torn, look, read_through, remove, replace};
use super::{NamesError, Places, resolv_conf};

/// The only port that `resolv.conf` can mean.
const DNS_PORT: u16 = 53;

/// What the operator and the daemon decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamesSettings {
    /// Whether files may be touched at all.
    pub(crate) integrate: Integrate,
    /// Where our resolver listens.
    pub(crate) resolver: SocketAddr,
    /// Domains to add to the search list, after those that are there.
    pub(crate) search: Vec<String>,
}

/// How names reach programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Not at all, and why.
    Off(String),
    /// Our resolver stands in `resolv.conf`.
    ResolvConf,
    /// Names stand in the hosts file, and why it takes that.
    Hosts(String),
}

/// The state of the integration, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// How names reach programs.
    pub(crate) way: Way,
    /// Whether a probe has shown that they do; `None` before it ran.
    pub(crate) resolves: Option<bool>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Off(reason) => return write!(f, "off: {reason}"),
            Way::ResolvConf => f.write_str("by resolv.conf")?,
            Way::Hosts(reason) => write!(f, "by the hosts file, as {reason}")?,
        }
        match self.resolves {
            Some(true) => f.write_str("; names resolve"),
            Some(false) => f.write_str("; names do not resolve"),
            None => Ok(()),
        }
    }
}

/// Makes names resolve and takes it back.
#[derive(Debug)]
pub(crate) struct Integration {
    places: Places,
    settings: NamesSettings,
    upstreams: Vec<SocketAddr>,
    way: Way,
    journal: Journal,
    entries: Vec<HostsEntry>,
    resolves: Option<bool>,
}

impl Integration {
    /// Looks at the machine and decides; changes nothing. To be called after [`recover`].
    ///
    /// # Errors
    /// Where `resolv.conf` is something that no reader of it could use.
    pub(crate) fn prepare(places: Places, settings: NamesSettings) -> Result<Self, NamesError> {
        let text = match look(&places.resolv_conf)? {
            Existing::Nothing => String::new(),
            // A link that leads nowhere is as good as none.
            Existing::Link(_) => lossy(&read_through(&places.resolv_conf).unwrap_or_default()),
            Existing::Plain { bytes, .. } => lossy(&bytes),
        };
        let upstreams = resolv_conf::servers(&text, settings.resolver.ip(), &places.sys);
        let way = decide(&places, &settings, &text)?;
        let journal = Journal::empty();
        Ok(Self { places, settings, upstreams, way, journal, entries: Vec::new(), resolves: None })
    }

    /// The servers that were configured before us, never ourselves.
    pub(crate) fn upstreams(&self) -> &[SocketAddr] {
        &self.upstreams
    }

    /// Does what was decided. To be called when our resolver answers.
    ///
    /// # Errors
    /// Where a file cannot be written; what was changed before is in the journal.
    pub(crate) fn apply(&mut self) -> Result<(), NamesError> {
        match &self.way {
            Way::Off(_) => Ok(()),
            Way::ResolvConf => self.take_over(),
            Way::Hosts(_) => self.write_block(),
        }
    }

    /// Takes note of what a probe found, and falls back to the hosts file where names do not resolve.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub(crate) fn judge(&mut self, resolves: bool) -> Result<(), NamesError> {
        self.resolves = Some(resolves);
        if resolves || self.way != Way::ResolvConf {
            return Ok(());
        }
        // Ours does not help there, so what works for other names comes back first.
        self.give_back()?;
        self.resolves = None;
        let reason = "a name did not resolve through resolv.conf".to_owned();
        self.way = hosts_or_off(&self.places, reason);
        self.apply()
    }

    /// Sets the names that are to resolve. Only the hosts file needs them; elsewhere they are kept for a later fall-back.
    ///
    /// # Errors
    /// Where the hosts file cannot be written.
    pub(crate) fn publish(&mut self, entries: impl IntoIterator<Item = HostsEntry>) -> Result<(), NamesError> {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort();
        entries.dedup();
        if entries == self.entries {
            return Ok(());
        }
        self.entries = entries;
        match self.way {
            Way::Hosts(_) => self.write_block(),
            Way::Off(_) | Way::ResolvConf => Ok(()),
        }
    }

    /// Restores everything as it was. What it could not restore exactly, because somebody else had changed it, it says.
    ///
    /// # Errors
    /// Where a file cannot be written; the journal stays for the next start.
    pub(crate) fn undo(&mut self) -> Result<Vec<String>, NamesError> {
        let notes = undo(&self.places, &mut self.journal)?;
        self.way = Way::Off("undone".to_owned());
        Ok(notes)
    }

    /// The state, for people.
    pub(crate) fn status(&self) -> Status {
        Status { way: self.way.clone(), resolves: self.resolves }
    }

    fn take_over(&mut self) -> Result<(), NamesError> {
        let path = &self.places.resolv_conf;
        let before = match look(path)? {
            Existing::Nothing => None,
            Existing::Plain { bytes, attributes } => Some(Before { content: Content::new(bytes), attributes }),
            Existing::Link(_) => {
                self.way = hosts_or_off(&self.places, LINK.to_owned());
                return self.apply();
            }
        };
        let original = before.as_ref().map_or_else(String::new, |before| lossy(before.content.as_bytes()));
        let own = self.settings.resolver.ip();
        let written = resolv_conf::with_our_server(&original, own, &self.settings.search, &self.places.journal);
        let attributes = before.as_ref().map_or_else(Attributes::public, |before| before.attributes);
        let change = ResolvConf { path: path.clone(), before, written: written.clone(), own };
        self.journal.resolv_conf = Some(change);
        self.journal.write(&self.places.journal)?;
        replace(path, written.as_bytes(), attributes)
    }

    fn give_back(&mut self) -> Result<(), NamesError> {
        let Some(change) = &self.journal.resolv_conf else {
            return Ok(());
        };
        undo_resolv_conf(change)?;
        self.journal.resolv_conf = None;
        self.journal.write(&self.places.journal)
    }

    fn write_block(&mut self) -> Result<(), NamesError> {
        let path = self.places.hosts.clone();
        let (bytes, attributes, created) = match look(&path)? {
            Existing::Nothing => (Vec::new(), Attributes::public(), true),
            Existing::Plain { bytes, attributes } => (bytes, attributes, false),
            Existing::Link(_) => {
                self.way = Way::Off(format!("{} is a symbolic link", path.display()));
                return Ok(());
            }
        };
        let Ok(text) = String::from_utf8(bytes) else {
            self.way = Way::Off(format!("{} is not text", path.display()));
            return Ok(());
        };
        let owner = owner(&self.places);
        let glued = self.journal.hosts.as_ref().map_or_else(|| block::needs_glue(&text), |hosts| hosts.glued);
        let wanted = if self.entries.is_empty() {
            block::without(&text, &owner, glued)
        } else {
            block::with(&text, &owner, &self.entries)
        };
        if self.journal.hosts.is_none() {
            self.journal.hosts = Some(Hosts { path: path.clone(), glued, created });
            self.journal.write(&self.places.journal)?;
        }
        if wanted == text { Ok(()) } else { replace(&path, wanted.as_bytes(), attributes) }
    }
}

/// Undoes what a daemon that was killed left behind; returns what could not be restored exactly.
///
/// # Errors
/// Where the journal cannot be read, or a file cannot be written.
pub(crate) fn recover(places: &Places) -> Result<Vec<String>, NamesError> {
    match Journal::read(&places.journal, &places.resolv_conf)? {
        Some(mut journal) => undo(places, &mut journal),
        None => Ok(Vec::new()),
    }
}

const LINK: &str = "resolv.conf is a link to another program's file";

fn decide(places: &Places, settings: &NamesSettings, resolv_conf: &str) -> Result<Way, NamesError> {
    if settings.integrate == Integrate::Off {
        return Ok(Way::Off("the configuration says so (dns.integrate)".to_owned()));
    }
    if !places.may_touch(&places.resolv_conf) {
        return Ok(Way::Off(format!(
            "this daemon runs in a network namespace of its own and {} is not private to it",
            places.resolv_conf.display()
        )));
    }
    if settings.resolver.port() != DNS_PORT {
        return Ok(hosts_or_off(places, format!("the resolver listens on port {}", settings.resolver.port())));
    }
    if matches!(look(&places.resolv_conf)?, Existing::Link(_)) {
        return Ok(hosts_or_off(places, LINK.to_owned()));
    }
    if resolv_conf::is_ours(resolv_conf) {
        return Ok(hosts_or_off(places, "another daemon holds resolv.conf".to_owned()));
    }
    Ok(Way::ResolvConf)
}

fn hosts_or_off(places: &Places, reason: String) -> Way {
    if places.may_touch(&places.hosts) {
        return Way::Hosts(reason);
    }
    Way::Off(format!("{reason}, and {} is shared with other network namespaces", places.hosts.display()))
}

/// Each file is restored before the journal forgets it.
fn undo(places: &Places, journal: &mut Journal) -> Result<Vec<String>, NamesError> {
    let mut notes = Vec::new();
    if let Some(change) = &journal.resolv_conf {
        notes.extend(undo_resolv_conf(change)?);
    }
    if let Some(change) = &journal.hosts {
        notes.extend(undo_hosts(change, &owner(places))?);
    }
    *journal = Journal::empty();
    journal.write(&places.journal)?;
    Ok(notes)
}

fn undo_resolv_conf(change: &ResolvConf) -> Result<Option<String>, NamesError> {
    let (found, attributes) = match look(&change.path)? {
        Existing::Plain { bytes, attributes } => (bytes, attributes),
        Existing::Nothing if change.before.is_none() => return Ok(None),
        Existing::Nothing | Existing::Link(_) => {
            return Ok(Some(format!("{} was replaced by another program; it was left so", change.path.display())));
        }
    };
    let original = change.before.as_ref().map_or(&[][..], |before| before.content.as_bytes());
    let written = change.written.as_bytes();
    if found == original && change.before.is_some() {
        return Ok(None);
    }
    let is_untouched = found == written || is_torn(&found, written, original) || is_torn(&found, original, written);
    if is_untouched {
        return restore(change).map(|()| None);
    }
    let note = |what: &str| Ok(Some(format!("{} was changed by another program; {what}", change.path.display())));
    match resolv_conf::without_our_lines(&lossy(&found), change.own, &lossy(original)) {
        None => note("it was left so"),
        Some(text) => {
            replace(&change.path, text.as_bytes(), attributes)?;
            note("only the lines of holloway were taken out")
        }
    }
}

fn restore(change: &ResolvConf) -> Result<(), NamesError> {
    match &change.before {
        Some(before) => replace(&change.path, before.content.as_bytes(), before.attributes),
        None => remove(&change.path),
    }
}

fn undo_hosts(change: &Hosts, owner: &str) -> Result<Option<String>, NamesError> {
    let left = |what: &str| Ok(Some(format!("{} {what}; it was left so", change.path.display())));
    let (found, attributes) = match look(&change.path)? {
        Existing::Nothing => return Ok(None),
        Existing::Link(_) => return left("was replaced by a link"),
        Existing::Plain { bytes, attributes } => (bytes, attributes),
    };
    let Ok(text) = String::from_utf8(found) else {
        return left("was changed by another program and is not text");
    };
    let restored = block::without(&text, owner, change.glued);
    if restored.is_empty() && change.created {
        return remove(&change.path).map(|()| None);
    }
    if restored != text {
        replace(&change.path, restored.as_bytes(), attributes)?;
    }
    Ok(None)
}

/// Who owns the block: the state directory, as several daemons may run on one machine.
fn owner(places: &Places) -> String {
    places.journal.parent().unwrap_or(&places.journal).to_string_lossy().into_owned()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
