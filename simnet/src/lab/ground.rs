//! What all parts of one lab stand on: its names, its directory, its logs, and the taking down.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};

use super::leftovers;
use super::namespace::{Forwarding, Namespace};
use super::process::{Leash, tail};

/// Every namespace and directory of a lab starts with this, then the pid of its owner.
pub(super) const PREFIX: &str = "hw-";

/// Longest name of a host; namespaces are files, and 255 bytes must hold all parts of the name.
const NAME_LENGTH_MAX: usize = 40;

/// Labs of this process so far.
static LABS: AtomicU32 = AtomicU32::new(0);

/// The shared base of a lab. Behind an `Arc<Mutex>` because hosts outlive no lab but are handed
/// out freely, also to other threads of a test.
#[derive(Debug)]
pub(super) struct Ground {
    prefix: String,
    directory: PathBuf,
    register: Mutex<Register>,
}

/// What has been made and is to be taken down, and what has been given out.
#[derive(Debug, Default)]
struct Register {
    namespaces: Vec<String>,
    logs: Vec<PathBuf>,
    leashes: Vec<Leash>,
    lans: u8,
    files: u32,
}

impl Ground {
    pub(super) fn new(hint: &str) -> Result<Arc<Self>> {
        check_name(hint)?;
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let stem = format!("{PREFIX}{}-{number}", process::id());
        let directory = std::env::temp_dir().join(&stem);
        DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .with_context(|| format!("creating {}", directory.display()))?;
        Ok(Arc::new(Self { prefix: format!("{stem}-{hint}-"), directory, register: Mutex::default() }))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Creates the namespace of the thing called `name` in this lab.
    pub(super) fn namespace(&self, name: &str, forwarding: Forwarding) -> Result<Arc<Namespace>> {
        check_name(name)?;
        let full = format!("{}{name}", self.prefix);
        let taken = self.register().namespaces.contains(&full);
        ensure!(!taken, "the lab already has something called {name}");
        // Registered before it exists, so that a half-built one is deleted too.
        self.register().namespaces.push(full.clone());
        Ok(Arc::new(Namespace::create(full, forwarding)?))
    }

    /// A number for the next LAN, 10 and up.
    pub(super) fn next_lan(&self) -> Result<u8> {
        /// 192.168.0 to 9 are left to the machine's own networks, to keep captures unambiguous.
        const FIRST: u8 = 10;
        let mut register = self.register();
        let lan = register
            .lans
            .checked_add(FIRST)
            .context("a lab has at most 245 LANs: 192.168.10.0/24 to 192.168.254.0/24")?;
        register.lans += 1;
        Ok(lan)
    }

    /// A path in the lab's directory that nobody else gets.
    pub(super) fn fresh_path(&self, label: &str, extension: &str) -> PathBuf {
        let mut register = self.register();
        register.files += 1;
        self.directory.join(format!("{label}-{}.{extension}", register.files))
    }

    /// Remembers a log whose tail belongs into error messages.
    pub(super) fn add_log(&self, path: PathBuf) {
        self.register().logs.push(path);
    }

    /// Remembers a process that must not outlive the lab, not even when it has yet to enter its
    /// namespace.
    pub(super) fn add_leash(&self, leash: Leash) {
        let mut register = self.register();
        register.leashes.retain(|leash| !leash.is_slack());
        register.leashes.push(leash);
    }

    /// The ends of all logs that are not empty.
    pub(super) fn log_tails(&self) -> String {
        let logs = self.register().logs.clone();
        logs.iter().filter_map(|log| tail(log)).collect()
    }

    /// Kills what still runs, deletes every namespace and the directory. Does it all even when a
    /// step fails; the first failure is returned.
    pub(super) fn take_down(&self) -> Result<()> {
        let (namespaces, leashes) = {
            let mut register = self.register();
            let leashes = std::mem::take(&mut register.leashes);
            (std::mem::take(&mut register.namespaces), leashes)
        };
        leashes.iter().for_each(Leash::kill);
        leftovers::remove_namespaces(&namespaces).and(remove_directory(&self.directory))
    }

    fn register(&self) -> MutexGuard<'_, Register> {
        // A panic elsewhere must not stop the taking down, and no update here is half-done.
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove_directory(directory: &Path) -> Result<()> {
    match directory.exists() {
        true => fs::remove_dir_all(directory).with_context(|| format!("removing {}", directory.display())),
        false => Ok(()),
    }
}

fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        !name.is_empty() && name.len() <= NAME_LENGTH_MAX && name.bytes().all(plain),
        "a name in a lab has 1 to {NAME_LENGTH_MAX} of a-z, 0-9 and '-': {name:?}"
    );
    Ok(())
}
