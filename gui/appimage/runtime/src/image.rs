//! Where this program ends and its file system begins (ELF-64 specification, the file header; AppImage specification,
//! type 2).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Failure;

const HEADER_LEN: usize = 64;

/// An AppImage.
pub(crate) struct Image {
    pub(crate) path: PathBuf,
    /// Where the file system begins.
    pub(crate) offset: u64,
    /// Another for every build.
    pub(crate) name: String,
}

impl Image {
    /// The one that is running.
    ///
    /// # Errors
    /// It cannot be read, or is cut short.
    pub(crate) fn of_this_program() -> Result<Self, Failure> {
        let path = std::env::current_exe().map_err(Failure::io(Path::new("/proc/self/exe")))?;
        let mut header = [0; HEADER_LEN];
        let mut file = File::open(&path).map_err(Failure::io(&path))?;
        file.read_exact(&mut header).map_err(Failure::io(&path))?;
        let facts = file.metadata().map_err(Failure::io(&path))?;
        let offset = end_of_program(&header);
        if offset >= facts.len() {
            return Err(Failure::Image("nothing follows the program".to_owned()));
        }
        let name = format!("{:x}-{:x}-{:x}", facts.len(), facts.mtime(), facts.mtime_nsec());
        Ok(Self { path, offset, name })
    }
}

/// The table of sections is the last part of a program that has been linked and not stripped of it.
fn end_of_program(header: &[u8; HEADER_LEN]) -> u64 {
    let short = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let table = u64::from_le_bytes(std::array::from_fn(|at| header[0x28 + at]));
    table.saturating_add(short(0x3a) * short(0x3c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_ends_with_its_table_of_sections() {
        let mut header = [0; HEADER_LEN];
        header[0x28] = 0x10;
        header[0x29] = 0x01;
        header[0x3a] = 64;
        header[0x3c] = 3;
        assert_eq!(end_of_program(&header), 0x110 + 3 * 64);
        assert_eq!(end_of_program(&[0xff; HEADER_LEN]), u64::MAX);
    }
}
