//! An issuer of users' tokens: keys made for the test, a server that publishes them and counts who asks, and tokens in the
//! shapes of Supabase and Clerk, or in any other.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cliprelay::clock::unix_seconds;
use cliprelay::http::Auth;
use cliprelay::services::identity::{Keys, Options};
use cliprelay::services::outbound::AllowList;
use hmac::{Hmac, KeyInit as _, Mac};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use sha2::Sha256;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use tokio::net::TcpListener;
use url::Url;

pub const ISSUER: &str = "https://ref.supabase.co/auth/v1";
pub const CLERK: &str = "https://clerk.example.com";
pub const AUDIENCE: &str = "authenticated";
pub const ANN: &str = "6f1c1c7e-0000-4000-8000-00000000a001";
pub const BOB: &str = "6f1c1c7e-0000-4000-8000-00000000b002";
pub const SECRET: &str = "the-legacy-secret-of-this-project-is-long-enough";

/// Made once for all tests: it takes a while. By OpenSSL's program, since `ring` makes no RSA keys.
static RSA: LazyLock<Vec<u8>> = LazyLock::new(rsa);

fn rsa() -> Vec<u8> {
    let arguments = ["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER"];
    let made = Command::new("openssl").args(arguments).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

pub enum Signer {
    Rs256(Box<RsaKeyPair>),
    Es256(Box<EcdsaKeyPair>),
    Hs256(Vec<u8>),
}

impl Signer {
    pub fn rs256() -> Self {
        Self::Rs256(Box::new(RsaKeyPair::from_pkcs8(&RSA).or_else(|_| RsaKeyPair::from_der(&RSA)).unwrap()))
    }

    pub fn es256() -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let key = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self::Es256(Box::new(EcdsaKeyPair::from_pkcs8(kind, key.as_ref(), &random).unwrap()))
    }

    pub fn hs256(secret: impl Into<Vec<u8>>) -> Self {
        Self::Hs256(secret.into())
    }

    pub fn alg(&self) -> &'static str {
        match self {
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
            Self::Hs256(_) => "HS256",
        }
    }

    /// As an issuer publishes it.
    pub fn jwk(&self, kid: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rs256(pair) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": text(&n), "e": text(&e)})
            }
            Self::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "alg": "ES256", "crv": "P-256", "key_ops": ["verify"], "kid": kid,
                    "x": text(x), "y": text(y)})
            }
            Self::Hs256(secret) => json!({"kty": "oct", "alg": "HS256", "kid": kid, "k": text(secret)}),
        }
    }

    pub fn sign(&self, head: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(head), part(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
            Self::Es256(pair) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Hs256(secret) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
                mac.update(signed.as_bytes());
                mac.finalize().into_bytes().to_vec()
            }
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token with the usual head.
    pub fn token(&self, kid: &str, claims: &Value) -> String {
        self.sign(&json!({"alg": self.alg(), "typ": "JWT", "kid": kid}), claims)
    }
}

pub fn supabase(sub: &str) -> Value {
    let now = unix_seconds();
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": sub, "role": "authenticated", "aal": "aal1", "exp": now + 3_600,
        "iat": now, "session_id": "5d2f", "is_anonymous": false, "email": "a@example.com", "phone": "",
        "amr": [{"method": "password", "timestamp": now}], "app_metadata": {"provider": "email"}, "user_metadata": {}})
}

/// No audience, no role.
pub fn clerk(sub: &str) -> Value {
    let now = unix_seconds();
    json!({"iss": CLERK, "sub": sub, "azp": "https://app.example.com", "exp": now + 60, "iat": now, "nbf": now - 10,
        "sid": "sess_2b", "sts": "active", "v": 2, "jti": "0f", "fva": [0, -1]})
}

/// With one claim changed, or taken away by `null`.
pub fn with(mut claims: Value, claim: &str, value: Value) -> Value {
    let members = claims.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(claim)
    } else {
        members.insert(claim.to_owned(), value)
    };
    claims
}

/// Where the keys are.
#[derive(Clone)]
pub struct Issuer {
    pub url: Url,
    pub asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<(StatusCode, String)>>,
}

impl Issuer {
    pub async fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/.well-known/jwks.json", listener.local_addr().unwrap()).parse().unwrap();
        let answer = Arc::new(Mutex::new((StatusCode::OK, json!({"keys": keys}).to_string())));
        let issuer = Self { url, asked: Arc::default(), answer };
        let router = Router::new().route("/.well-known/jwks.json", get(published)).with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    pub fn publishes(&self, keys: &[Value]) {
        self.answers(200, &json!({"keys": keys}).to_string());
    }

    pub fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (StatusCode::from_u16(status).unwrap(), body.to_owned());
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Its tokens, for `issuer` and `audience`.
    pub fn auth(&self, issuer: &str, audience: Option<&str>) -> Auth {
        let allow = AllowList::default().with(&self.url.host().unwrap(), self.url.port().unwrap());
        let keys = Keys::Published { url: self.url.clone(), allow };
        Auth::Tokens(Options { keys, issuer: Some(issuer.to_owned()), audience: audience.map(str::to_owned) })
    }
}

async fn published(State(issuer): State<Issuer>) -> impl IntoResponse {
    issuer.asked.fetch_add(1, Ordering::SeqCst);
    issuer.answer.lock().unwrap().clone()
}

/// The legacy mode.
pub fn hs256() -> Auth {
    let keys = Keys::Shared(SECRET.into());
    Auth::Tokens(Options { keys, issuer: Some(ISSUER.to_owned()), audience: Some(AUDIENCE.to_owned()) })
}
