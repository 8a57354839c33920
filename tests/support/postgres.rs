//! A private PostgreSQL for one test process: created on first use, removed when the process ends.
//!
//! The server runs as a normal user (PostgreSQL refuses root), in a temporary folder, on its own
//! address. A small shell process waits for any end of this process, then stops the server and
//! removes the folder.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use super::address::own_address;

/// A running server, and the process that cleans up after it.
pub struct Server {
    address: SocketAddr,
    programs: PathBuf,
    folder: PathBuf,
    owner: Option<String>,
    durable: bool,
    // Its standard input closes when this process ends, which is the signal to clean up.
    _reaper: Child,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(false));

/// The URL of a database on the private server. Starts the server on first use.
pub fn url(database: &str) -> String {
    SERVER.url(database)
}

impl Server {
    /// Starts a server. A durable one keeps commits after an immediate stop, and takes as long to commit
    /// as in production.
    pub fn start(durable: bool) -> Self {
        Self::make(durable, |programs, owner, data| {
            run(as_user(owner, &programs.join("initdb")).arg("--pgdata").arg(data).args([
                "--username=kinoteka",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ]));
        })
    }

    /// Starts a standby that follows this server.
    pub fn standby(&self) -> Self {
        Self::make(self.durable, |programs, owner, data| {
            run(as_user(owner, &programs.join("pg_basebackup"))
                .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--username=kinoteka"])
                .args(["--host", &self.address.ip().to_string(), "--port", &self.address.port().to_string()])
                .arg("--pgdata")
                .arg(data));
        })
    }

    fn make(durable: bool, fill: impl Fn(&Path, &Option<String>, &Path)) -> Self {
        let programs = find_programs();
        let folder =
            tempfile::Builder::new().prefix("kinoteka-postgres-").tempdir().expect("a temporary folder").keep();
        let owner = unprivileged_user();
        if let Some(user) = &owner {
            run(Command::new("chown").arg(user).arg(&folder));
        }
        let data = folder.join("data");
        fill(&programs, &owner, &data);
        // One that a test has frozen would not stop.
        let stop = "cat >/dev/null; pid=$(head -1 \"$FOLDER/data/postmaster.pid\" 2>/dev/null); \
                    [ -z \"$pid\" ] || kill -CONT \"$pid\" $(pgrep -P \"$pid\") 2>/dev/null; \
                    \"$@\" >/dev/null 2>&1; rm -rf \"$FOLDER\"";
        let mut reaper = Command::new("sh");
        reaper.args(["-c", stop, "sh"]);
        if let Some(user) = &owner {
            reaper.args(change_user(user));
        }
        let reaper = reaper
            .arg(programs.join("pg_ctl"))
            .args(["stop", "--mode=immediate", "--wait", "--pgdata"])
            .arg(&data)
            .env("FOLDER", &folder)
            .stdin(Stdio::piped())
            // Ctrl-C in the terminal must not end it before the cleanup.
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let server = Self { address: own_address(), programs, folder, owner, durable, _reaper: reaper };
        server.start_again();
        server
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://kinoteka@{}/{database}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a standby the leader.
    pub fn promote(&self) {
        run(as_user(&self.owner, &self.programs.join("pg_ctl"))
            .args(["promote", "--wait", "--silent", "--pgdata"])
            .arg(self.folder.join("data")));
    }

    /// Sends a signal to all of its processes: `STOP` freezes them, `CONT` thaws them.
    pub fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().expect("the file names the process").to_owned();
        let children = Command::new("pgrep").args(["-P", &pid]).output().expect("pgrep runs").stdout;
        let children = String::from_utf8(children).expect("numbers are text");
        // The parent first, or it would start new ones.
        run(Command::new("kill").arg(format!("-{name}")).arg(&pid).args(children.split_whitespace()));
    }

    /// Starts it after a stop, and waits until it responds.
    pub fn start_again(&self) {
        let durable = if self.durable { "on" } else { "off" };
        let options = format!(
            "-p {} -c listen_addresses={} -c unix_socket_directories= -c fsync={durable} \
             -c synchronous_commit={durable} -c full_page_writes={durable} -c max_connections=200 \
             -c max_prepared_transactions=8",
            self.address.port(),
            self.address.ip(),
        );
        run(as_user(&self.owner, &self.programs.join("pg_ctl"))
            .args(["start", "--wait", "--silent", "--options", &options])
            .arg("--pgdata")
            .arg(self.folder.join("data"))
            .arg("--log")
            .arg(self.folder.join("log")));
    }

    /// The id of its main process.
    pub fn process(&self) -> u32 {
        let file = self.folder.join("data/postmaster.pid");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        text.lines().next().and_then(|line| line.parse().ok()).expect("the id in the first line")
    }

    /// Stops it as in a switchover: it closes its connections, and its standbys have caught up.
    pub fn stop_cleanly(&self) {
        self.stop("fast");
    }

    /// Stops it as in a crash.
    pub fn stop_at_once(&self) {
        self.stop("immediate");
    }

    fn stop(&self, mode: &str) {
        run(as_user(&self.owner, &self.programs.join("pg_ctl"))
            .args(["stop", "--mode", mode, "--wait", "--pgdata"])
            .arg(self.folder.join("data")));
    }
}

/// The folder of PostgreSQL's server programs: `KINOTEKA_PG_BIN`, Debian's, or the `PATH`'s.
pub fn find_programs() -> PathBuf {
    let named = std::env::var_os("KINOTEKA_PG_BIN").map(PathBuf::from);
    let debian = (15..=18).map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<_> = named.into_iter().chain(debian).chain(std::env::split_paths(&path)).collect();
    candidates.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists()).expect(
        "PostgreSQL 15's initdb and pg_ctl are missing: run scripts/test, or set KINOTEKA_PG_BIN to their folder",
    )
}

/// A command for a program that, like PostgreSQL, refuses root. It may read `folder`.
pub fn as_unprivileged(program: &Path, folder: &Path) -> Command {
    let owner = unprivileged_user();
    if let Some(user) = &owner {
        run(Command::new("chown").arg("-R").arg(user).arg(folder));
    }
    as_user(&owner, program)
}

/// The user that runs the server if the tests run as root.
fn unprivileged_user() -> Option<String> {
    let id = Command::new("id").arg("-u").output().expect("id runs").stdout;
    (id.trim_ascii() == b"0").then(|| "postgres".to_owned())
}

fn change_user(user: &str) -> [String; 4] {
    ["setpriv".to_owned(), format!("--reuid={user}"), format!("--regid={user}"), "--init-groups".to_owned()]
}

fn as_user(owner: &Option<String>, program: &Path) -> Command {
    let mut command = match owner {
        Some(user) => {
            let [setpriv, rest @ ..] = change_user(user);
            let mut command = Command::new(setpriv);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    // initdb reads the working folder, which the other user may not be able to enter.
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn run(command: &mut Command) {
    // A file, because the server inherits it and would keep a pipe open.
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let status = command
        .stdout(log.reopen().expect("the file opens"))
        .stderr(log.reopen().expect("the file opens"))
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let output = std::fs::read_to_string(log.path()).unwrap_or_default();
    assert!(status.success(), "{command:?} failed:\n{output}");
}
