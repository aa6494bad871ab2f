//! The bucket itself: what it is like, and making it so.

use super::{Access, Error, Supabase, wire};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

/// What clips are.
pub const CLIP_TYPE: &str = "video/mp4";

/// How a bucket is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSettings {
    pub access: Access,
    /// In bytes; none leaves it to the project's own limit.
    pub size_limit: Option<u64>,
    /// None takes everything.
    pub types: Option<Vec<String>>,
}

impl Supabase {
    /// The bucket that the options name; `None` if there is none, or none that this key may see.
    pub async fn bucket(&self) -> Result<Option<wire::Bucket>, Error> {
        match self.call(self.request(Method::GET, self.bucket_url())).await?.ok(Error::storage) {
            Ok(reply) => Ok(Some(reply.json()?)),
            Err(Error::NotFound { code, .. }) if code == "NoSuchBucket" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// [`Error::Exists`] if there is one.
    pub async fn create_bucket(&self, settings: &BucketSettings) -> Result<(), Error> {
        let request = self.request(Method::POST, self.at(["storage", "v1", "bucket"])).json(&self.settings(settings));
        self.call(request).await?.ok(Error::storage).map(drop)
    }

    /// Repeatable. What is stored in it stays.
    pub async fn update_bucket(&self, settings: &BucketSettings) -> Result<(), Error> {
        let request = self.request(Method::PUT, self.bucket_url()).json(&self.settings(settings));
        self.call(request).await?.ok(Error::storage).map(drop)
    }

    pub fn bucket_name(&self) -> &str {
        &self.options.bucket
    }

    fn settings(&self, settings: &BucketSettings) -> Value {
        json!({
            "id": self.options.bucket,
            "name": self.options.bucket,
            "public": settings.access == Access::Public,
            "file_size_limit": settings.size_limit,
            "allowed_mime_types": settings.types,
        })
    }

    fn bucket_url(&self) -> Url {
        self.at(["storage", "v1", "bucket", &self.options.bucket])
    }
}

impl wire::Bucket {
    /// Whether it takes files of this type.
    pub fn takes(&self, content_type: &str) -> bool {
        let group = content_type.split('/').next().unwrap_or_default();
        self.allowed_mime_types.as_ref().is_none_or(|types| {
            types.is_empty()
                || types.iter().any(|known| known == "*/*" || known == content_type || *known == format!("{group}/*"))
        })
    }
}
