//! Callers by key: each given key is compared with all of them, in constant time.

use super::equal;
use crate::job::Owner;
use secrecy::SecretString;

/// One caller's key; the name owns its jobs.
#[derive(Debug, Clone)]
pub struct ApiKey {
    pub name: String,
    pub key: SecretString,
}

/// Whose key that is. No comparison is left out once one fits.
pub(super) fn owner(keys: &[ApiKey], given: &str) -> Option<Owner> {
    let mut found = None;
    for key in keys {
        if equal(given, &key.key) {
            found = Some(Owner::new(&key.name));
        }
    }
    found
}
