//! The first part of an AppImage: unpacks the file system that follows it, once, and runs what is in it.
//!
//! Mounting would need FUSE on the machine; unpacking needs nothing. What is unpacked lies in the person's own cache, by
//! the name of the build, and the next build takes its place. Knows nothing of Holloway but where it keeps that.
#![allow(clippy::print_stdout, reason = "the options of AppImages are answered on standard output")]

mod image;
mod unpack;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::image::Image;

/// Why the application does not start.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("this is no complete AppImage: {0}")]
    Image(String),
    #[error("no place to unpack to: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
}

impl Failure {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            use std::io::Write;
            // Nobody reads it where there is no terminal.
            let _ = writeln!(std::io::stderr(), "holloway-gui: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let image = Image::of_this_program()?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--appimage-offset") => println!("{}", image.offset),
        Some("--appimage-extract") => unpack::unpack(&image, Path::new("squashfs-root"))?,
        Some(_) | None => start(&image, &arguments)?,
    }
    Ok(())
}

/// Becomes the application.
fn start(image: &Image, arguments: &[OsString]) -> Result<(), Failure> {
    let folder = unpack::keep(image, &cache()?)?;
    let program = folder.join("AppRun");
    let failed = Command::new(&program).args(arguments).env("APPIMAGE", &image.path).env("APPDIR", &folder).exec();
    Err(Failure::io(&program)(failed))
}

/// A folder of the person's own (XDG base directory specification).
fn cache() -> Result<PathBuf, Failure> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("holloway-gui")).ok_or(Failure::NoCache)
}
