//! `docs/configuration.md`, generated from the program.

use std::fmt::Write as _;

use super::{COMMON_FLAGS, Cli};
use crate::error::ERROR_CODES;

const INTRODUCTION: &str = "# Configuration

Every setting is a flag and an environment variable. The flag wins. `kinoteka config` prints the effective settings
with their sources, and warnings. `scripts/configuration` generates this page.

- An empty variable counts as unset.
- `KINOTEKA_DATABASE_URL` and `KINOTEKA_DATABASE_READ_URL` work too. They have precedence over `DATABASE_URL` and
  `DATABASE_READ_URL`.
- The server warns about unknown variables that begin with `KINOTEKA_`.
- Flags of times end in `-ms` or `-hours`, flags of sizes in `-bytes`. `--migrate`, `--demo` and `--production` take
  no value; their variables take `true` or `false`.
- `kinoteka` without a command is `kinoteka serve`. `-h` shows common flags, `--help` all of them.

";

/// The page: all flags and variables, and the error codes.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(&settings::reference(&settings::command::<Cli>(COMMON_FLAGS), "serve"));
    page.push_str("\n## Error codes\n\nTop-level errors have a stable `extensions.code`:\n\n| code | meaning | further extensions |\n|---|---|---|\n");
    for code in ERROR_CODES {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| `{}` | {} | {} |", code.code, code.meaning, code.extensions);
    }
    page.push_str(
        "\nAn unknown id is not an error: `movie(id: ...)` is then null. Invalid input of a mutation is not a top-level\n\
         error: the payload's `errors` lists it ([mutations.md](mutations.md#errors)).\n",
    );
    page
}
