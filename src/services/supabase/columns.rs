//! What the project table's columns are called.

/// The columns we read or write, by their meaning. The defaults are the original application's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The primary key, compared with the caller's project id.
    pub id: String,
    /// Whoever may have clips made of this project: a token's `sub`.
    pub owner: String,
    /// The source video's address.
    pub video: String,
    pub status: String,
    /// A timestamp; changed with every write, which is what the guarded merge relies on.
    pub updated: String,
    /// A JSON object of which only the key `clips` is ours.
    pub clips: String,
}

/// Why a column list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadColumns {
    #[error("`{0}` is not name=column")]
    Pair(String),
    #[error("`{0}` is none of id, owner, video, status, updated, clips")]
    Unknown(String),
    #[error("`{0}` is not a plain column name ([A-Za-z_][A-Za-z0-9_]*, at most 63 characters)")]
    Name(String),
    #[error("the column `{0}` is given two meanings")]
    Twice(String),
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            id: "id".to_owned(),
            owner: "user_id".to_owned(),
            video: "video_url".to_owned(),
            status: "status".to_owned(),
            updated: "updated_at".to_owned(),
            clips: "folders".to_owned(),
        }
    }
}

impl Columns {
    /// Reads `id=id,owner=user_id,…`; what is not named keeps its default.
    pub fn parse(text: &str) -> Result<Self, BadColumns> {
        let mut columns = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, column) = pair.split_once('=').ok_or_else(|| BadColumns::Pair(pair.to_owned()))?;
            let (name, column) = (name.trim(), column.trim());
            let place = columns.place(name).ok_or_else(|| BadColumns::Unknown(name.to_owned()))?;
            if !is_identifier(column) {
                return Err(BadColumns::Name(column.to_owned()));
            }
            column.clone_into(place);
        }
        let mut seen = columns.all();
        seen.sort_unstable();
        match seen.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(BadColumns::Twice(pair[0].to_owned())),
            None => Ok(columns),
        }
    }

    fn place(&mut self, name: &str) -> Option<&mut String> {
        match name {
            "id" => Some(&mut self.id),
            "owner" => Some(&mut self.owner),
            "video" => Some(&mut self.video),
            "status" => Some(&mut self.status),
            "updated" => Some(&mut self.updated),
            "clips" => Some(&mut self.clips),
            _ => None,
        }
    }

    pub fn all(&self) -> [&str; 6] {
        [&self.id, &self.owner, &self.video, &self.status, &self.updated, &self.clips]
    }
}

pub(super) fn is_identifier(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
