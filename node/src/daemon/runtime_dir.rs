use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;

/// The group whose members may read, switch on and off, and join (ARCHITECTURE §5 "Local API").
const GROUP: &str = "holloway";

/// Mode of the system daemon's runtime directory: its group may enter, nobody else.
const MODE: u32 = 0o750;

/// The id of the group, where the machine has it.
pub(super) fn group_id() -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == GROUP).then(|| fields.nth(1)?.parse().ok())?
    })
}

/// Makes the directory of the system daemon's socket, or mends its mode and group.
///
/// # Errors
/// When something else is in its place, or the right is missing.
pub(super) fn create(directory: &Path, group: Option<u32>) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(MODE).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if !std::fs::symlink_metadata(directory)?.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} is not a directory", directory.display()),
        ));
    }
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(MODE))?;
    chown(directory, None, group)
}
