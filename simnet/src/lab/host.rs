//! A host: a namespace with one interface, in which programs run.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::ground::Ground;
use super::namespace::{Forwarding, Namespace};
use super::{Link, Process, Segment, process, programs, wait_until};

/// The one interface of a host.
const INTERFACE: &str = "eth0";

/// Where names come from in a host: its own files and servers, never a resolver daemon of the
/// machine, whose socket would be reachable from every namespace.
const NAME_SOURCES: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// A host in a [`Lab`](super::Lab). Clones are the same host.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    ground: Arc<Ground>,
    namespace: Arc<Namespace>,
    link: Link,
}

impl Host {
    pub(super) fn create(name: &str, segment: &Segment) -> Result<Self> {
        let ground = Arc::clone(segment.ground());
        let namespace = ground.namespace(name, Forwarding::Off)?;
        write_private_etc(&namespace.private_etc(), name, segment)?;
        let link = Link::plug(Arc::clone(&namespace), INTERFACE, segment)?;
        Ok(Self { inner: Arc::new(Inner { name: name.to_owned(), ground, namespace, link }) })
    }

    /// The name that it was created with.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The name of its namespace, for `ip netns exec`.
    pub fn namespace(&self) -> &str {
        self.inner.namespace.name()
    }

    /// Its cable.
    pub fn link(&self) -> &Link {
        &self.inner.link
    }

    /// Its present IPv4 address.
    pub fn ipv4(&self) -> Ipv4Addr {
        self.link().ipv4()
    }

    /// Its present IPv6 address, if its segment has IPv6.
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        self.link().ipv6()
    }

    /// The segment it is plugged into now.
    pub fn segment(&self) -> Segment {
        self.link().segment()
    }

    /// The file that programs in this host see as `/etc/<name>` (`resolv.conf`, `hosts`). Write it
    /// in place: a renamed file is another file, and running programs keep the old one.
    pub fn etc_file(&self, name: &str) -> PathBuf {
        self.inner.namespace.private_etc().join(name)
    }

    /// A call of `program` in this host: its network, its `/etc/resolv.conf` and `/etc/hosts`.
    /// `ip netns exec` becomes the program, so that a spawned child's pid is the program's own.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = programs::command("ip");
        command.args(["netns", "exec", self.namespace()]).arg(program);
        command
    }

    /// Starts `command` (of [`Host::command`]); its output goes to log files called after `label`.
    ///
    /// # Errors
    ///
    /// When the logs cannot be created or the program cannot be started.
    pub fn spawn(&self, label: &str, command: &mut Command) -> Result<Process> {
        let label = format!("{}-{label}", self.name());
        Process::spawn(&self.inner.ground, &label, command)
    }

    /// Runs `command` (of [`Host::command`]) to its end; its exit status is the caller's business.
    ///
    /// # Errors
    ///
    /// When it cannot be started or has not ended by `deadline` (then it is killed; the error has
    /// what it said).
    pub fn run(&self, command: &mut Command, deadline: Duration) -> Result<Output> {
        let label = format!("{}-run", self.name());
        process::run(&self.inner.ground, &label, command, deadline)
    }

    /// Runs `work` on a fresh thread inside this host's network; sockets that it opens stay there,
    /// wherever they are used afterwards, and so do threads and processes that it starts.
    ///
    /// Only the network is the host's: names are resolved with the machine's files, so connect to
    /// addresses here and leave names to programs. A panic in `work` goes on in the caller.
    ///
    /// # Errors
    ///
    /// When the namespace cannot be entered, for example because the lab is gone.
    pub fn in_namespace<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.inner.namespace.enter(work)
    }

    /// Like [`wait_until`], and the error ends with the tails of all logs of the
    /// lab.
    ///
    /// # Errors
    ///
    /// When `deadline` has passed.
    pub fn wait_until<T>(&self, deadline: Duration, what: &str, condition: impl FnMut() -> Option<T>) -> Result<T> {
        let what = format!("{what} on {}", self.name());
        wait_until(deadline, &what, condition).with_context(|| self.inner.ground.log_tails())
    }
}

/// Prepares the files before the first program starts: a daemon that finds none would write to the
/// machine's own.
fn write_private_etc(directory: &Path, name: &str, segment: &Segment) -> Result<()> {
    create_private_etc(directory)?;
    // The router has no resolver, and its refusal comes at once instead of after a time-out.
    let resolv = match segment.router() {
        Some(router) => format!("nameserver {router}\noptions timeout:1 attempts:1\n"),
        None => String::new(),
    };
    let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost ip6-loopback\n");
    let files = [("resolv.conf", resolv.as_str()), ("hosts", &hosts), ("nsswitch.conf", NAME_SOURCES)];
    for (file, text) in files {
        if Path::new("/etc").join(file).exists() {
            let path = directory.join(file);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(())
}

/// Tries again when another lab, the last one of its process, removed the parent just now.
fn create_private_etc(directory: &Path) -> Result<()> {
    /// Each attempt loses only to one more lab that ends in the same instant.
    const ATTEMPTS: u32 = 10;
    let mut created = Ok(());
    for _ in 0..ATTEMPTS {
        created = fs::create_dir_all(directory);
        if created.is_ok() {
            break;
        }
    }
    created.with_context(|| format!("creating {}", directory.display()))
}
