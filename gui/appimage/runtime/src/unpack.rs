//! Takes the file system apart into files of the person's own.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, BufReader};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use backhand::{FilesystemReader, InnerNode};

use crate::Failure;
use crate::image::Image;

/// Unpacks into a folder of the cache, where that has not been done, and gives it. Other builds' folders go.
///
/// # Errors
/// The cache cannot be written, or the image is damaged.
pub(crate) fn keep(image: &Image, cache: &Path) -> Result<PathBuf, Failure> {
    let folder = cache.join(&image.name);
    if folder.is_dir() {
        return Ok(folder);
    }
    DirBuilder::new().recursive(true).mode(0o700).create(cache).map_err(Failure::io(cache))?;
    forget_others(cache);
    // Two that start at once unpack twice; whoever is first is used by both.
    let unfinished = cache.join(format!("{}.{}", image.name, std::process::id()));
    unpack(image, &unfinished)?;
    match fs::rename(&unfinished, &folder) {
        Ok(()) => {}
        Err(_) if folder.is_dir() => fs::remove_dir_all(&unfinished).map_err(Failure::io(&unfinished))?,
        Err(error) => return Err(Failure::io(&folder)(error)),
    }
    Ok(folder)
}

/// A build that still runs keeps the files that it has opened; one that cannot be removed is in nobody's way.
fn forget_others(cache: &Path) {
    for old in fs::read_dir(cache).into_iter().flatten().flatten() {
        let _ = fs::remove_dir_all(old.path());
    }
}

/// Unpacks into a folder.
///
/// # Errors
/// It cannot be written, or the image is damaged.
pub(crate) fn unpack(image: &Image, folder: &Path) -> Result<(), Failure> {
    let damaged = |error: &dyn std::fmt::Display| Failure::Image(error.to_string());
    let file = BufReader::new(File::open(&image.path).map_err(Failure::io(&image.path))?);
    let system = FilesystemReader::from_reader_with_offset(file, image.offset).map_err(|e| damaged(&e))?;
    for node in system.files() {
        let path = inside(folder, &node.fullpath).ok_or_else(|| damaged(&"a path that leads out of it"))?;
        match &node.inner {
            InnerNode::Dir(_) => DirBuilder::new().recursive(true).mode(0o700).create(&path),
            InnerNode::Symlink(link) => symlink(&link.link, &path),
            InnerNode::File(content) => write(&path, &mut system.file(content).reader(), node.header.permissions),
            InnerNode::CharacterDevice(_) | InnerNode::BlockDevice(_) | InnerNode::NamedPipe | InnerNode::Socket => {
                Ok(())
            }
        }
        .map_err(Failure::io(&path))?;
    }
    Ok(())
}

fn write(path: &Path, content: &mut impl io::Read, mode: u16) -> io::Result<()> {
    io::copy(content, &mut File::create_new(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(u32::from(mode) & 0o755))
}

/// The place of a path of the image below a folder.
fn inside(folder: &Path, path: &Path) -> Option<PathBuf> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    relative.components().all(|part| matches!(part, Component::Normal(_))).then(|| folder.join(relative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let folder = Path::new("/f");
        assert_eq!(inside(folder, Path::new("/")), Some(PathBuf::from("/f/")));
        assert_eq!(inside(folder, Path::new("/usr/bin")), Some(PathBuf::from("/f/usr/bin")));
        assert_eq!(inside(folder, Path::new("/usr/../../etc")), None);
    }
}
