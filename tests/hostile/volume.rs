//! A small file system in memory, for a database on a full disk.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A tmpfs in its own mount namespace. It is removed when this is dropped or the test is killed.
pub struct Volume {
    holder: Child,
    folder: TempDir,
    root: bool,
}

impl Volume {
    /// Mounts one.
    pub fn mount(size: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("kinoteka-volume-").tempdir().unwrap();
        let root = is_root();
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !root {
            command.args(["--user", "--map-root-user"]);
        }
        // It ends when its standard input closes, at the latest with this process.
        let script = "mount -t tmpfs -o \"size=$1\" tmpfs \"$2\" && echo mounted && exec cat";
        let mut holder = command
            .args(["sh", "-c", script, "sh", size])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this test needs unshare and mount (Debian: util-linux, mount)");
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        if said != "mounted\n" {
            let mut why = String::new();
            holder.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            panic!(
                "this test mounts a tmpfs of {size}: it needs root with CAP_SYS_ADMIN, or user namespaces \
                 (sysctl kernel.unprivileged_userns_clone=1): {why}"
            );
        }
        Self { holder, folder, root }
    }

    /// The path of a file for a program started with [`Volume::starter`].
    pub fn inside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of the same file for this process.
    pub fn outside(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.inside(name).strip_prefix("/").unwrap())
    }

    /// The command prefix that starts a program in the namespace.
    pub fn starter(&self) -> Vec<String> {
        let target = self.holder.id().to_string();
        let mut words = vec!["nsenter", "--target", &target, "--mount"];
        if !self.root {
            words.extend(["--user", "--preserve-credentials"]);
        }
        words.push("--");
        words.into_iter().map(str::to_owned).collect()
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout.trim_ascii() == b"0"
}
