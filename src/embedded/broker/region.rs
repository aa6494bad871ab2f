//! Which of the service's regions the broker stands for. Receivers that know several regions choose their keys by it.

use std::str::FromStr;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Region {
    #[default]
    EuCentral1,
    UsEast1,
}

impl Region {
    /// As deliveries say it in `upstash-region`.
    pub fn name(self) -> &'static str {
        match self {
            Self::EuCentral1 => "EU-CENTRAL-1",
            Self::UsEast1 => "US-EAST-1",
        }
    }
}

impl FromStr for Region {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::EuCentral1, Self::UsEast1].into_iter();
        let same = |region: &Self| region.name().eq_ignore_ascii_case(&text.replace('_', "-"));
        known.clone().find(same).ok_or("eu-central-1 or us-east-1 is expected")
    }
}
