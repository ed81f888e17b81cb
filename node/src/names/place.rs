//! The files concerned, and whether they are this daemon's to touch.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where everything lies. Given by the caller, so that a whole machine can stand in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// `/etc/resolv.conf`
    pub(crate) resolv_conf: PathBuf,
    /// `/etc/hosts`
    pub(crate) hosts: PathBuf,
    /// What was there before, in the state directory.
    pub(crate) journal: PathBuf,
    /// `/proc`
    pub(crate) proc: PathBuf,
    /// `/sys`
    pub(crate) sys: PathBuf,
}

impl Places {
    /// The real places, for a daemon with this state directory.
    pub(crate) fn of_system(state_dir: &Path) -> Self {
        Self {
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            hosts: PathBuf::from("/etc/hosts"),
            journal: state_dir.join("names.journal"),
            proc: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
        }
    }

    /// Whether a file may be changed: in init's network namespace always, in another one only where the file is a mount
    /// of its own. Several daemons in namespaces would otherwise fight over the host's file.
    pub(super) fn may_touch(&self, file: &Path) -> bool {
        self.is_init_network() || self.is_mount(file)
    }

    fn is_init_network(&self) -> bool {
        let namespace = |process: &str| fs::read_link(self.proc.join(process).join("ns/net"));
        if let (Ok(own), Ok(init)) = (namespace("self"), namespace("1")) {
            return own == init;
        }
        // Without CAP_SYS_PTRACE the links cannot be read. Every namespace has a /proc/PID/net of its own, whose inode
        // numbers differ.
        let inode = |process: &str| fs::metadata(self.proc.join(process).join("net/dev")).map(|file| file.ino());
        matches!((inode("self"), inode("1")), (Ok(own), Ok(init)) if own == init)
    }

    fn is_mount(&self, file: &Path) -> bool {
        let Ok(mounts) = fs::read_to_string(self.proc.join("self/mountinfo")) else {
            return false;
        };
        let wanted = escaped(file);
        mounts.lines().any(|line| line.split(' ').nth(MOUNT_POINT) == Some(wanted.as_str()))
    }
}

/// The column of mountinfo with the mount point (proc(5)).
const MOUNT_POINT: usize = 4;

/// A path as mountinfo spells it: space, tab, newline and backslash in octal (proc(5)).
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for c in path.to_string_lossy().chars() {
        match c {
            ' ' | '\t' | '\n' | '\\' => text.push_str(&format!("\\{:03o}", u32::from(c))),
            _ => text.push(c),
        }
    }
    text
}
