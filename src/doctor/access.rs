//! Whether users' tokens can be checked: the issuer's keys are there and of use.

use super::finding::Sheet;
use super::{Access, Setup};
use crate::services::identity::{self, Keys};
use url::Url;

pub(super) const CHECKS: &[&str] = &[AUTH];
const AUTH: &str = "auth";

pub(super) async fn check(setup: &Setup, sheet: &Sheet) {
    let (options, url, allow) = match &setup.access {
        None => return sheet.skip_rest("AUTH is not configured"),
        Some(Access::Other(mode, _)) => return sheet.ok(AUTH, *mode),
        Some(Access::Tokens(options, _)) => match &options.keys {
            Keys::Shared(_) => {
                return sheet
                    .ok(AUTH, "hs256: tokens are checked with the shared secret, of which nobody can be asked");
            }
            Keys::Published { url, allow } => (options, url, allow),
        },
    };
    match identity::published(url, allow).await {
        Err(error) => {
            let mend = "Check AUTH_JWKS_URL (Supabase: https://<ref>.supabase.co/auth/v1/.well-known/jwks.json) and that this host may reach it";
            sheet.fail(AUTH, format!("the issuer's keys are not to be had: {error}"), mend);
        }
        Ok(0) => {
            let mend = "Let the issuer sign with ES256 or RS256 (Supabase dashboard, JWT Keys: migrate to signing keys), or use AUTH=hs256 with AUTH_HS256_SECRET";
            sheet.fail(AUTH, "the issuer publishes no key for RS256 or ES256: no token can be believed", mend);
        }
        Ok(keys) => {
            let issuer = options.issuer.as_deref().and_then(|issuer| Url::parse(issuer).ok());
            if issuer.is_some_and(|issuer| issuer.host_str() != url.host_str()) {
                let seen = format!("{keys} usable, but AUTH_ISSUER is another host than AUTH_JWKS_URL");
                sheet.warn(AUTH, seen, "Check that AUTH_ISSUER is the tokens' iss to the letter");
            } else if options.audience.is_none() {
                let seen = format!("{keys} usable; tokens are taken whatever they were made for");
                sheet.warn(
                    AUTH,
                    seen,
                    "Set AUTH_AUDIENCE (Supabase: authenticated), unless the issuer's tokens have no aud, as Clerk's",
                );
            } else {
                sheet.ok(AUTH, format!("jwks: {keys} usable"));
            }
        }
    }
}
