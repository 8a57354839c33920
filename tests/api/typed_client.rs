//! The typed client in `examples/typed-client` compiles against the schema and works.

use std::path::Path;
use std::process::{Command, Output};

use crate::app::TestApp;
use crate::support::database::Backend;

#[tokio::test(flavor = "multi_thread")]
async fn typed_client_signs_up_rates_and_comments() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/typed-client");
    assert!(
        folder.join("node_modules/gql.tada").exists(),
        "the client's packages are not installed: run scripts/test, or `npm ci` in examples/typed-client"
    );
    let app = TestApp::seeded(Backend::Sqlite).await;
    let run = async |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).current_dir(&folder);
        let Output { status, stdout, stderr } = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .expect("node and npm run: install them with `apt-get install nodejs npm`, or run scripts/test");
        let stdout = String::from_utf8(stdout).unwrap();
        assert!(status.success(), "{stdout}{}", String::from_utf8_lossy(&stderr));
        stdout
    };
    run("npm", &["run", "--silent", "build"]).await;
    let printed = run("node", &["dist/main.js", &format!("{}/graphql", app.origin)]).await;
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines.len(), 4, "{printed}");
    assert_eq!(lines[1], "BAD_USER_INPUT input.rating: 6 is no rating; give 1 to 5");
    assert!(lines[2].ends_with(": 5"), "{printed}");
    assert_eq!(lines[3], "I said: Смотреть всем.");
}
