//! What a genuine token claims, and whether that opens anything. Nothing that users may edit themselves is read.

use super::{LEEWAY, Refused, User};
use serde::Deserialize;

/// The project's own keys are tokens too, signed as users' are. They open everything at Supabase, or nothing.
const NO_USERS: [&str; 2] = ["service_role", "anon"];
const SUB_MAX: usize = 255;

#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    sub: Option<String>,
    role: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

impl Claims {
    pub fn user(self, issuer: Option<&str>, audience: Option<&str>, now: i64) -> Result<User, Refused> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 fit in 53 bits for the next 285 million years"
        )]
        let now = now as f64;
        let leeway = f64::from(LEEWAY);
        // First, because such keys carry no issuer or audience of users, and their holder should be told.
        if let Some(role) = NO_USERS.into_iter().find(|role| self.role.as_deref() == Some(role)) {
            return Err(Refused::NotAUser(role));
        }
        if issuer.is_some_and(|issuer| self.iss.as_deref() != Some(issuer)) {
            return Err(Refused::Invalid("issuer"));
        }
        if let Some(wanted) = audience
            && !self.aud.is_some_and(|aud| aud.has(wanted))
        {
            return Err(Refused::Invalid("audience"));
        }
        let exp = self.exp.ok_or(Refused::Invalid("no exp"))?;
        if self.nbf.is_some_and(|nbf| nbf > now + leeway) {
            return Err(Refused::Invalid("not yet"));
        }
        if exp + leeway <= now {
            return Err(Refused::Expired);
        }
        let is_name = |sub: &String| {
            (1..=SUB_MAX).contains(&sub.len()) && !sub.trim().is_empty() && !sub.chars().any(char::is_control)
        };
        let id = self.sub.filter(is_name).ok_or(Refused::Invalid("subject"))?;
        Ok(User { id })
    }
}
