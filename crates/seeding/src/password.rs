//! The hash of the demo accounts' password: argon2id in PHC format, as the server checks it.

use argon2::{Argon2, PasswordHasher};

use crate::error::SeedError;
use crate::fakes::accounts::PASSWORD;

/// Hashes the password of the demo accounts. The salt is derived from the seed, so that a seed always gives the same
/// rows. The password is public anyway.
///
/// # Errors
/// `Hash` if the algorithm rejects its parameters.
pub fn hash(rng_seed: u64) -> Result<String, SeedError> {
    let salt = format!("kinoteka{rng_seed:016x}");
    let hash = Argon2::default().hash_password_with_salt(PASSWORD.as_bytes(), salt.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| SeedError::Hash(error.to_string()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use argon2::{PasswordHash, PasswordVerifier};

    use super::*;

    #[test]
    fn only_the_stated_password_fits_the_hash() {
        let text = hash(1).unwrap();
        assert!(text.starts_with("$argon2id$v=19$") && text.len() <= 128, "{text}");
        let parsed = PasswordHash::new(&text).unwrap();
        assert!(Argon2::default().verify_password(PASSWORD.as_bytes(), &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"another", &parsed).is_err());
        assert_eq!(hash(1).unwrap(), text);
    }
}
