//! URL groups: a name under which several endpoints are published to at once. Pure.

use super::instructions::{Refusal, web_address};
use super::message::{Headers, Millis, New, new_id};
use super::target::is_name;
use serde::{Deserialize, Serialize};

/// A group at rest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub created_at: Millis,
    pub updated_at: Millis,
    pub endpoints: Vec<Endpoint>,
    /// Publish headers used where the publisher gives none; names in lower case.
    pub headers: Headers,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default)]
    pub url: String,
}

impl Endpoint {
    /// To add it, it needs an address; its name is free to be missing.
    pub fn check(&self) -> Result<(), Refusal> {
        web_address(&self.url)?;
        if !self.name.is_empty() && !is_name(&self.name) {
            return Err(Refusal::bad("invalid endpoint name: letters, digits, '-', '_' and '.'"));
        }
        Ok(())
    }

    /// Meant by either its name or its address.
    fn is_meant_by(&self, other: &Self) -> bool {
        (!other.name.is_empty() && self.name == other.name) || (!other.url.is_empty() && self.url == other.url)
    }
}

impl Group {
    /// An endpoint known by its name or its address is replaced where it stands.
    pub fn add(&mut self, endpoints: Vec<Endpoint>) {
        for endpoint in endpoints {
            match self.endpoints.iter().position(|known| known.is_meant_by(&endpoint)) {
                Some(place) => self.endpoints[place] = endpoint,
                None => self.endpoints.push(endpoint),
            }
        }
    }

    pub fn remove(&mut self, endpoints: &[Endpoint]) {
        self.endpoints.retain(|known| !endpoints.iter().any(|gone| known.is_meant_by(gone)));
    }

    /// The publisher's headers, and the group's own where those say nothing.
    pub fn complete(&self, headers: &Headers) -> Headers {
        let missing = self.headers.iter().filter(|(name, _)| !headers.iter().any(|(given, _)| given == name));
        headers.iter().chain(missing).cloned().collect()
    }

    /// One message for each endpoint. A deduplication key holds for each endpoint by itself.
    pub fn spread(&self, new: &New) -> Vec<New> {
        let one = |endpoint: &Endpoint| {
            let mut one = New { id: new_id("msg_"), ..new.clone() };
            one.spec.destination.clone_from(&endpoint.url);
            one.spec.endpoint = Some(endpoint.name.clone()).filter(|name| !name.is_empty());
            one.deduplication = new.deduplication.as_ref().map(|key| format!("{key}\n{}", endpoint.url));
            one
        };
        self.endpoints.iter().map(one).collect()
    }
}
