//! A real nginx in front of a server.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::address::own_address;

/// The time limit of its start.
const PATIENCE: Duration = Duration::from_secs(30);

/// nginx in front of a server, in the foreground. Killed when dropped.
pub struct Nginx {
    child: Child,
    /// Its origin: `http://127.0.0.1:PORT`.
    pub url: String,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// nginx with the configuration of `docs/transport.md` and these changes, in front of the server at `upstream`.
    pub fn documented(upstream: &str, changes: &[(&str, &str)]) -> Self {
        let docs = include_str!("../../docs/transport.md");
        let (_, config) = docs.split_once("```nginx\n").expect("there is a configuration");
        let (config, _) = config.split_once("```").unwrap();
        let address = own_address();
        let mut sites = config.to_owned();
        let places = [("127.0.0.1:8000", upstream), ("listen 80;", &format!("listen {address};"))];
        for (documented, ours) in places.iter().chain(changes) {
            assert!(sites.contains(documented), "{documented} {sites}");
            sites = sites.replace(documented, ours);
        }
        Self::start(address, &sites)
    }

    /// nginx with this content of its `http` block: a server that listens at `address`.
    pub fn start(address: SocketAddr, sites: &str) -> Self {
        let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())
            .unwrap_or_else(|| panic!("nginx is missing: scripts/test installs it, or `apt-get install nginx-light`"));
        let folder = tempfile::tempdir().unwrap();
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {name};"))
            .join(" ");
        let config = format!(
            "daemon off; master_process off; pid nginx.pid; error_log error.log info;
             events {{ worker_connections 4096; }}
             http {{ {paths} access_log off; {sites} }}"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let child = Command::new(program)
            .args(["-p", folder.path().to_str().unwrap(), "-c", "nginx.conf", "-e", "error.log"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self { child, url: format!("http://{address}"), folder };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = nginx.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "nginx does not start: {ended:?} {}", nginx.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        nginx
    }

    /// Its error log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("error.log")).unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
