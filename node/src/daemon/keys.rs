use std::path::{Path, PathBuf};

use anyhow::Context;
use holloway_config::{StateDir, create_private_dir, create_secret_file, read_secret_file};
use holloway_wire::{IdentityKey, Label, StaticSecret};

use crate::random::OsRandom;

/// The secret keys of one network: files of their own, readable by their owner alone.
pub(crate) struct NetworkKeys {
    pub(crate) identity: IdentityKey,
    pub(crate) static_key: StaticSecret,
}

const IDENTITY_FILE: &str = "identity.key";
const STATIC_FILE: &str = "static.key";
const ROOT_FILE: &str = "root.key";

impl NetworkKeys {
    /// Reads the keys of a network, or draws and writes them where there are none yet: an interrupted join goes on
    /// with the keys that it began with.
    pub(crate) fn load_or_create(state_dir: &StateDir, label: &Label) -> anyhow::Result<Self> {
        let directory = network_dir(state_dir, label)?;
        let identity =
            load_or_create(&directory.join(IDENTITY_FILE), || IdentityKey::generate(&mut OsRandom).to_bytes())?;
        let static_key = load_or_create(&directory.join(STATIC_FILE), || {
            zeroize::Zeroizing::new(*StaticSecret::generate(&mut OsRandom).as_bytes())
        })?;
        Ok(Self { identity: IdentityKey::from_bytes(&identity), static_key: StaticSecret::from_bytes(*static_key) })
    }
}

/// Draws and writes the root key of a new network; says where it is.
pub(crate) fn create_root(state_dir: &StateDir, label: &Label) -> anyhow::Result<(IdentityKey, PathBuf)> {
    let path = network_dir(state_dir, label)?.join(ROOT_FILE);
    let root = IdentityKey::generate(&mut OsRandom);
    create_secret_file(&path, root.to_bytes().as_ref())?;
    Ok((root, path))
}

/// Removes the keys of a network that was left.
pub(crate) fn remove(state_dir: &StateDir, label: &Label) -> anyhow::Result<()> {
    let directory = state_dir.network_dir(label);
    match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}

/// Whether there are keys under a label.
pub(crate) fn exist(state_dir: &StateDir, label: &Label) -> bool {
    state_dir.network_dir(label).join(IDENTITY_FILE).exists()
}

fn network_dir(state_dir: &StateDir, label: &Label) -> anyhow::Result<PathBuf> {
    create_private_dir(&state_dir.networks_dir())?;
    let directory = state_dir.network_dir(label);
    create_private_dir(&directory)?;
    Ok(directory)
}

fn load_or_create(
    path: &Path,
    draw: impl FnOnce() -> zeroize::Zeroizing<[u8; 32]>,
) -> anyhow::Result<zeroize::Zeroizing<[u8; 32]>> {
    if !path.exists() {
        create_secret_file(path, draw().as_ref())?;
    }
    let bytes = read_secret_file(path)?;
    let key: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .with_context(|| format!("{} is not a key of 32 bytes; restore it from a backup", path.display()))?;
    Ok(zeroize::Zeroizing::new(key))
}
