//! Writes the manual pages and shell completions of both programs to a folder. Only packages need it, so the programs
//! themselves do not contain it.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use kinoteka::config::Cli;
use kinoteka_seeder::arguments::SeederArguments;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        bail!("usage: manuals FOLDER");
    };
    write(Path::new(&folder))
}

/// Both programs, by the names of their commands.
fn programs() -> [Command; 2] {
    [Cli::command().name("kinoteka"), SeederArguments::command().name("seeder")]
}

/// Writes `man/man1`, `bash`, `zsh` and `fish` below `folder`.
fn write(folder: &Path) -> anyhow::Result<()> {
    let pages = folder.join("man/man1");
    fs::create_dir_all(&pages).with_context(|| pages.display().to_string())?;
    for mut program in programs() {
        let name = program.get_name().to_owned();
        clap_mangen::generate_to(program.clone(), &pages).with_context(|| pages.display().to_string())?;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let folder = folder.join(shell.to_string());
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            clap_complete::generate_to(shell, &mut program, &name, &folder)
                .with_context(|| folder.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    /// Collects each command of a program with the name of its page, and the flags that the page must contain.
    fn commands(command: &Command, page: &str, found: &mut Vec<(String, Vec<String>)>) {
        let flags =
            command.get_arguments().filter(|argument| !argument.is_hide_set()).filter_map(|flag| flag.get_long());
        found.push((page.to_owned(), flags.map(|flag| format!("--{flag}")).collect()));
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
            commands(inner, &format!("{page}-{}", inner.get_name()), found);
        }
    }

    #[test]
    fn pages_and_completions_have_every_command_and_flag() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        for program in programs() {
            let name = program.get_name().to_owned();
            let completions = [format!("bash/{name}.bash"), format!("zsh/_{name}"), format!("fish/{name}.fish")];
            let completions = completions.map(|path| fs::read_to_string(folder.path().join(path)).unwrap());
            let mut found = Vec::new();
            commands(&program, &name, &mut found);
            assert!(found.len() > 2 && found.iter().any(|(_, flags)| flags.len() > 10), "{found:?}");
            for (page, flags) in found {
                let text = fs::read_to_string(folder.path().join(format!("man/man1/{page}.1"))).unwrap();
                let text = text.replace("\\-", "-");
                for flag in flags {
                    assert!(text.contains(&flag), "{page}.1 lacks {flag}");
                    for completion in &completions {
                        // Fish names flags without their dashes.
                        assert!(completion.contains(&flag[2..]), "a completion of {name} lacks {flag}");
                    }
                }
            }
        }
    }
}
