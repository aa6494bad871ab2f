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
    /// One user, perhaps with a second token that may only read.
    Own { token: SecretString, read_only: Option<SecretString>, current: SecretString, next: SecretString },
}

/// A published dev user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DevUser {
    pub name: &'static str,
    pub token: &'static str,
    /// May only read. Ours: the vendor publishes none for its local server.
    pub read_only: &'static str,
    pub current: &'static str,
    pub next: &'static str,
}

/// As the vendor's local development page lists them; the first is the default.
pub const DEV_USERS: [DevUser; 4] = [
    DevUser {
        name: "defaultUser",
        token: "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=",
        read_only: "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoicmVhZE9ubHkifQ==",
        current: "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r",
        next: "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs",
    },
    DevUser {
        name: "testUser1",
        token: "eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        read_only: "eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InJlYWRPbmx5In0=",
        current: "sig_7GVPjvuwsfqF65iC8fSrs1dfYruM",
        next: "sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua",
    },
    DevUser {
        name: "testUser2",
        token: "eyJVc2VySUQiOiJ0ZXN0VXNlcjIiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        read_only: "eyJVc2VySUQiOiJ0ZXN0VXNlcjIiLCJQYXNzd29yZCI6InJlYWRPbmx5In0=",
        current: "sig_6jWGaWRxHsw4vMSPJprXadyvrybF",
        next: "sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx",
    },
    DevUser {
        name: "testUser3",
        token: "eyJVc2VySUQiOiJ0ZXN0VXNlcjMiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
        read_only: "eyJVc2VySUQiOiJ0ZXN0VXNlcjMiLCJQYXNzd29yZCI6InJlYWRPbmx5In0=",
        current: "sig_5T8FcSsynBjn9mMLBsXhpacRovJf",
        next: "sig_7GFR4YaDshFcqsxWRZpRB161jguD",
    },
];

impl Account {
    /// Whether a secret in it is one that everybody knows.
    pub fn is_published(&self) -> bool {
        match self {
            Self::Dev => true,
            Self::Own { token, read_only, current, next } => {
                let known = |secret: &SecretString| {
                    let secret = secret.expose_secret();
                    DEV_USERS.iter().any(|user| [user.token, user.read_only, user.current, user.next].contains(&secret))
                };
                [token, current, next].into_iter().chain(read_only).any(known)
            }
        }
    }
}

struct User {
    name: String,
    token: SecretString,
    read_only: Option<SecretString>,
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
        let given: Vec<(User, SigningKeys)> = match account {
            Account::Own { token, read_only, current, next } => {
                vec![(User { name: "owner".to_owned(), token, read_only }, SigningKeys { current, next })]
            }
            Account::Dev => DEV_USERS
                .iter()
                .map(|DevUser { name, token, read_only, current, next }| {
                    let keys = SigningKeys { current: (*current).into(), next: (*next).into() };
                    let read_only = Some((*read_only).into());
                    (User { name: (*name).to_owned(), token: (*token).into(), read_only }, keys)
                })
                .collect(),
        };
        let mut keys: HashMap<_, _> = given.iter().map(|(user, keys)| (user.name.clone(), keys.clone())).collect();
        keys.extend(rotated);
        let all = given.into_iter().map(|(user, _)| user).collect();
        Self { all, published, dev, keys: RwLock::new(keys) }
    }

    /// The user whose token this is.
    pub fn with_token(&self, token: &str) -> Option<&str> {
        self.find(|user| is_same(&user.token, token))
    }

    /// The user whose read-only token this is.
    pub fn with_read_only(&self, token: &str) -> Option<&str> {
        self.find(|user| user.read_only.as_ref().is_some_and(|known| is_same(known, token)))
    }

    fn find(&self, wanted: impl Fn(&User) -> bool) -> Option<&str> {
        self.all.iter().find(|user| wanted(user)).map(|user| user.name.as_str())
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

fn is_same(known: &SecretString, token: &str) -> bool {
    !token.is_empty() && bool::from(known.expose_secret().as_bytes().ct_eq(token.as_bytes()))
}
