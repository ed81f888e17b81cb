//! A browser, driven by `dashboard/web/e2e`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::Machine;

/// Where the pages are made.
pub(crate) fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard/web")
}

/// A browser on a machine, that does as it is told.
pub(crate) struct Browser {
    child: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
    _pictures: Option<tempfile::TempDir>,
}

impl Browser {
    pub(crate) fn start(machine: &Machine) -> Self {
        let web = web();
        assert!(web.join("node_modules").exists(), "the pages' tests need what this installs: make web");
        let kept = std::env::var_os("HOLLOWAY_SCREENSHOTS").map(PathBuf::from);
        let pictures = kept.is_none().then(|| tempfile::tempdir().unwrap());
        let folder = kept.unwrap_or_else(|| pictures.as_ref().unwrap().path().to_owned());
        let mut command = machine.host().command("node");
        command.arg(web.join("e2e/pages.mjs")).arg("/usr/bin/chromium").arg(&folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (tell, hear) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, tell, hear, _pictures: pictures }
    }

    /// Does something, and gives what came of it and how many milliseconds it took.
    pub(crate) fn ask(&mut self, words: &[&str]) -> (Value, u64) {
        writeln!(self.tell, "{}", json!(words)).unwrap();
        let mut line = String::new();
        self.hear.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(answer["error"].is_null(), "{words:?}: {}", answer["error"]);
        (answer["ok"].clone(), answer["took_ms"].as_u64().unwrap())
    }

    /// The same, for what gives a list of what is wrong.
    pub(crate) fn ask_in_vain(&mut self, words: &[&str]) {
        assert_eq!(self.ask(words).0, json!([]), "{words:?}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends with its input; a failed test does not wait for that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
