//! What rolling the account's signing keys would do to us. QStash signs with its current key; a roll makes its next one
//! current and draws a new next. We believe two keys, so one roll can be survived, if it is the right one.

use super::SigningKeys;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// The best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rolling {
    /// Our keys are the account's: after one roll its pushes are believed by our next key.
    Safe,
    /// The keys were rolled and ours were not changed yet: pushes are believed by our next key, and after another roll by none.
    Rolled,
    /// Pushes are believed, but our next key is not the account's: after a roll they are not.
    NextDiffers,
    /// No push is believed.
    LockedOut,
}

pub fn rolling(ours: &SigningKeys, theirs: &SigningKeys) -> Rolling {
    match (equal(&ours.current, &theirs.current), equal(&ours.next, &theirs.next)) {
        (true, true) => Rolling::Safe,
        (true, false) => Rolling::NextDiffers,
        (false, _) if equal(&ours.next, &theirs.current) => Rolling::Rolled,
        (false, _) => Rolling::LockedOut,
    }
}

fn equal(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret().as_bytes().ct_eq(other.expose_secret().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(current: &str, next: &str) -> SigningKeys {
        SigningKeys { current: current.into(), next: next.into() }
    }

    #[test]
    fn one_roll_is_survived_and_two_are_not() {
        let ours = keys("a", "b");
        assert_eq!(rolling(&ours, &keys("a", "b")), Rolling::Safe);
        assert_eq!(rolling(&ours, &keys("b", "c")), Rolling::Rolled);
        assert_eq!(rolling(&ours, &keys("c", "d")), Rolling::LockedOut);
        assert_eq!(rolling(&keys("b", "c"), &keys("b", "c")), Rolling::Safe);
        // A next key mistyped, or both the same.
        assert_eq!(rolling(&ours, &keys("a", "x")), Rolling::NextDiffers);
        assert_eq!(rolling(&keys("a", "a"), &keys("a", "b")), Rolling::NextDiffers);
        // Changed too early, and a key of another account.
        assert_eq!(rolling(&keys("b", "c"), &keys("a", "b")), Rolling::LockedOut);
        assert_eq!(rolling(&keys("x", "b"), &keys("a", "b")), Rolling::LockedOut);
    }
}
