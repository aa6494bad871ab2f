//! Who may use the broker: tokens and their signing keys. The dev accounts are constants the vendor publishes for its own
//! local server, so that every official client finds what it expects; they are no secrets and must not guard anything.

use crate::services::qstash::signature::SigningKeys;
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use subtle::ConstantTimeEq;

/// Whose messages the broker takes.
#[derive(Debug, Clone)]
pub enum Account {
    /// The published dev users.
    Dev,
    /// One user.
    Own { token: SecretString, current: SecretString, next: SecretString },
}

/// A published dev user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DevUser {
    pub name: &'static str,
    pub token: &'static str,
    pub current: &'static str,
    pub next: &'static str,
}

/// As the vendor's local development page lists them; the first is the default.
pub const DEV_USERS: [DevUser; 4] = [
    DevUser {
        name: "defaultUser",
        token: "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=",
        current: "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r",
        next: "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs",
    },
    DevUser {
        name: "testUser1",
        token: "eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        current: "sig_7GVPjvuwsfqF65iC8fSrs1dfYruM",
        next: "sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua",
    },
    DevUser {
        name: "testUser2",
        token: "eyJVc2VySUQiOiJ0ZXN0VXNlcjIiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        current: "sig_6jWGaWRxHsw4vMSPJprXadyvrybF",
        next: "sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx",
    },
    DevUser {
        name: "testUser3",
        token: "eyJVc2VySUQiOiJ0ZXN0VXNlcjMiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        current: "sig_5T8FcSsynBjn9mMLBsXhpacRovJf",
        next: "sig_7GFR4YaDshFcqsxWRZpRB161jguD",
    },
];

impl Account {
    /// Whether a secret in it is one that everybody knows.
    pub fn is_published(&self) -> bool {
        match self {
            Self::Dev => true,
            Self::Own { token, current, next } => DEV_USERS.iter().any(|user| {
                let known = [user.current, user.next];
                token.expose_secret() == user.token
                    || known.contains(&current.expose_secret())
                    || known.contains(&next.expose_secret())
            }),
        }
    }
}

struct User {
    name: String,
    token: SecretString,
}

/// The users and the keys they sign with now.
pub struct Users {
    all: Vec<User>,
    published: bool,
    /// Who may be chosen without knowing a token.
    dev: &'static [DevUser],
    keys: RwLock<HashMap<String, SigningKeys>>,
}

impl Users {
    /// `rotated` are the keys of earlier rotations; they win over the given ones.
    pub fn new(account: Account, rotated: HashMap<String, SigningKeys>) -> Self {
        let published = account.is_published();
        let dev: &[DevUser] = if matches!(account, Account::Dev) { &DEV_USERS } else { &[] };
        let given: Vec<(String, SecretString, SigningKeys)> = match account {
            Account::Own { token, current, next } => vec![("owner".to_owned(), token, SigningKeys { current, next })],
            Account::Dev => DEV_USERS
                .iter()
                .map(|user| {
                    let keys = SigningKeys { current: user.current.into(), next: user.next.into() };
                    (user.name.to_owned(), user.token.into(), keys)
                })
                .collect(),
        };
        let mut keys: HashMap<_, _> = given.iter().map(|(name, _, keys)| (name.clone(), keys.clone())).collect();
        keys.extend(rotated);
        let all = given.into_iter().map(|(name, token, _)| User { name, token }).collect();
        Self { all, published, dev, keys: RwLock::new(keys) }
    }

    /// The user whose token this is.
    pub fn with_token(&self, token: &str) -> Option<&str> {
        let same = |user: &&User| {
            !token.is_empty() && bool::from(user.token.expose_secret().as_bytes().ct_eq(token.as_bytes()))
        };
        self.all.iter().find(same).map(|user| user.name.as_str())
    }

    /// Whether a token or key here is one that everybody knows, so that it keeps nobody out.
    pub fn are_published(&self) -> bool {
        self.published
    }

    /// The published users; none where the token is somebody's own.
    pub fn dev(&self) -> &'static [DevUser] {
        self.dev
    }

    pub fn keys(&self, user: &str) -> Option<SigningKeys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(user).cloned()
    }

    /// To be called once the rotation is on disk.
    pub fn rotate(&self, user: &str, keys: SigningKeys) {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(user.to_owned(), keys);
    }
}
