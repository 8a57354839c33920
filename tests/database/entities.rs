//! The committed entities equal what sea-orm-cli generates from the migrated database.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Parser;
use sea_orm_cli::{Cli, Commands, run_generate_command};

use crate::support::database::{Backend, TestDatabase};

/// Tables without entities: those of migrations and of the seeder, and those with column types that sea-orm
/// lacks.
const IGNORED: &str = "seaql_migrations,schema_steps,publication_words,comment_events,comment_feed,comment_ticks,seeding_restores,seeding_steps";

/// With `KINOTEKA_UPDATE=1`, as in `scripts/entities`, this writes the files instead.
#[tokio::test(flavor = "multi_thread")]
async fn entities_equal_what_the_database_generates() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().display().to_string();
    let cli = Cli::try_parse_from([
        "sea-orm-cli",
        "generate",
        "entity",
        "--lib",
        "--entity-format=compact",
        "--with-prelude=none",
        "--er-diagram",
        "--ignore-tables",
        IGNORED,
        "--database-url",
        &database.url,
        "--output-dir",
        &output,
    ])
    .unwrap();
    let Commands::Generate { command } = cli.command else { panic!("not a generate command") };
    run_generate_command(command, false).await.unwrap();

    let mut generated = read_folder(folder.path());
    let diagram = generated.remove("entities.mermaid").unwrap();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("entity/src");
    if std::env::var_os("KINOTEKA_UPDATE").is_some() {
        std::fs::remove_dir_all(&committed).unwrap();
        std::fs::create_dir_all(&committed).unwrap();
        for (name, text) in &generated {
            std::fs::write(committed.join(name), text).unwrap();
        }
    }
    // Line breaks do not matter, because rustfmt sets them.
    let squeeze = |files: BTreeMap<String, String>| -> BTreeMap<String, String> {
        let text = |text: String| text.split_whitespace().collect::<String>().replace(",)", ")");
        files.into_iter().map(|(name, content)| (name, text(content))).collect()
    };
    let committed = squeeze(read_folder(&committed));
    assert_eq!(squeeze(generated), committed, "entity/ differs from the schema: run scripts/entities");
    crate::entities::diagram::check(&diagram);
}

fn read_folder(folder: &Path) -> BTreeMap<String, String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The entity-relationship diagram in `docs/schema.md`.
mod diagram {
    use std::path::Path;

    const START: &str = "```mermaid\n";
    const END: &str = "```\n";

    pub fn check(generated: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let start = text.find(START).expect("docs/schema.md has a mermaid block") + START.len();
        let end = start + text[start..].find(END).expect("the block ends");
        if std::env::var_os("KINOTEKA_UPDATE").is_some() {
            std::fs::write(&path, format!("{}{}\n{}", &text[..start], generated.trim_end(), &text[end..])).unwrap();
        } else {
            assert_eq!(text[start..end].trim_end(), generated.trim_end(), "the diagram is stale: run scripts/entities");
        }
    }
}
