//! Who may call the frontend's routes.

use super::problems::Reader;
use crate::http::{ApiKey, Auth};
use secrecy::ExposeSecret;

const KEY_LENGTH_MIN: usize = 8;

pub(super) fn read(reader: &mut Reader<'_>, exposed: bool) -> Option<Auth> {
    let mode = reader.required("AUTH", "api-key or none (jwks and hs256 come with a later version)")?;
    match mode.as_str() {
        "none" if exposed => {
            reader.problem("AUTH", "must not be none where others can reach the service");
            None
        }
        "none" => Some(Auth::None),
        "api-key" => api_keys(reader).map(Auth::ApiKeys),
        "jwks" | "hs256" => {
            reader.problem("AUTH", format!("{mode} is not available in this version yet; use api-key"));
            None
        }
        _ => {
            reader.problem("AUTH", "must be api-key or none");
            if reader.text("API_KEYS").is_some() {
                api_keys(reader);
            }
            None
        }
    }
}

fn api_keys(reader: &mut Reader<'_>) -> Option<Vec<ApiKey>> {
    let text = reader.required("API_KEYS", "name:key pairs, separated by commas")?;
    let mut keys: Vec<ApiKey> = Vec::new();
    let mut good = true;
    for (index, pair) in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).enumerate() {
        // Told by its number: with name and key the wrong way round, the name is the secret.
        let problem = match pair.split_once(':') {
            None => Some("is not a name:key pair".to_owned()),
            Some((name, _)) if name.trim().is_empty() => Some("has no name".to_owned()),
            Some((_, key)) if key.trim().len() < KEY_LENGTH_MIN => {
                Some(format!("has a key of fewer than {KEY_LENGTH_MIN} characters"))
            }
            Some((name, _)) if keys.iter().any(|other| other.name == name.trim()) => {
                Some("uses a name twice".to_owned())
            }
            Some((name, key)) => {
                keys.push(ApiKey { name: name.trim().to_owned(), key: key.trim().to_owned().into() });
                None
            }
        };
        if let Some(problem) = problem {
            reader.problem("API_KEYS", format!("entry {} {problem}", index + 1));
            good = false;
        }
    }
    if good && keys.is_empty() {
        reader.problem("API_KEYS", "holds no name:key pair");
        return None;
    }
    let distinct = keys
        .iter()
        .enumerate()
        .all(|(index, key)| keys[..index].iter().all(|other| other.key.expose_secret() != key.key.expose_secret()));
    if !distinct {
        reader.problem("API_KEYS", "gives one key to two names");
    }
    (good && distinct).then_some(keys)
}
