//! Removes namespaces with everything in them: of a lab that ends, and of labs whose owner died.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;
use std::time::Duration;

use anyhow::{Context, Result};

use super::ground::PREFIX;
use super::namespace::{NAMESPACES, PRIVATE_ETC};
use super::{programs, syscalls, wait_until};

/// A killed process is gone when the kernel has torn its memory down; this is ample.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// Removes what labs of dead processes left behind: namespaces, their processes and files.
pub(super) fn sweep() -> Result<()> {
    let abandoned: Vec<String> = names_in(Path::new(NAMESPACES))?
        .into_iter()
        .chain(names_in(Path::new(PRIVATE_ETC))?)
        .filter(|name| is_abandoned(name))
        .collect();
    remove_namespaces(&abandoned)?;
    remove_abandoned_directories()
}

/// Kills every process inside `namespaces`, then deletes them. One that does not exist is no error:
/// two sweeps may run at once.
pub(super) fn remove_namespaces(namespaces: &[String]) -> Result<()> {
    let emptied = kill_inside(namespaces);
    let mut result = Ok(());
    for name in namespaces {
        let path = Path::new(NAMESPACES).join(name);
        if path.exists() {
            let deleted = programs::feed("ip", &["netns", "delete", name], "");
            if path.exists() {
                result = result.and(deleted);
            }
        }
        let _ = fs::remove_dir_all(Path::new(PRIVATE_ETC).join(name));
    }
    // Succeeds for the last lab only; the directory was not there before the first.
    let _ = fs::remove_dir(PRIVATE_ETC);
    emptied.and(result)
}

fn kill_inside(namespaces: &[String]) -> Result<()> {
    let identities: Vec<(u64, u64)> =
        namespaces.iter().filter_map(|name| identity(&Path::new(NAMESPACES).join(name))).collect();
    if identities.is_empty() {
        return Ok(());
    }
    // Looks again until nobody is left: a process may have been forking while it was killed.
    wait_until(KILL_DEADLINE, "the processes of the lab to end", || {
        let inside = processes_inside(&identities);
        for pid in &inside {
            let _ = syscalls::kill(*pid, libc::SIGKILL);
        }
        inside.is_empty().then_some(())
    })
}

fn processes_inside(identities: &[(u64, u64)]) -> Vec<i32> {
    let names = names_in(Path::new("/proc")).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| name.parse::<i32>().ok())
        .filter(|pid| i64::from(*pid) != i64::from(process::id()))
        .filter(|pid| {
            identity(Path::new(&format!("/proc/{pid}/ns/net"))).is_some_and(|identity| identities.contains(&identity))
        })
        .collect()
}

/// What tells one namespace file from another.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = path.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn remove_abandoned_directories() -> Result<()> {
    let parent = std::env::temp_dir();
    let (user, _) = syscalls::effective_ids();
    for name in names_in(&parent)? {
        let path = parent.join(&name);
        let own = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == user);
        if own && is_abandoned(&name) {
            let _ = fs::remove_dir_all(path);
        }
    }
    Ok(())
}

/// Whether `name` is a lab's, and the process that owned it is gone.
fn is_abandoned(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.split('-').next())
        .and_then(|pid| pid.parse::<u32>().ok())
        .is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

fn names_in(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("reading {}", directory.display()));
        }
    };
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}
