//! The boxes at the top of an MP4, followed while its bytes pass by: a file that was cut short and is served as if it were
//! whole says so itself, because its boxes reach beyond its end or its index is missing. What cannot be followed is let
//! pass: it is not for us to refuse what a player would play.

/// What a file may have at its top; anything else ends the walk.
const KNOWN: [&[u8; 4]; 13] = [
    b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"mfra", b"sidx", b"meta", b"uuid", b"free", b"skip", b"wide", b"pdin",
];
/// What no player can do without: these must be whole.
const NEEDED: [&[u8; 4]; 3] = [b"moov", b"moof", b"mdat"];
pub(super) const LONGEST_HEADER: usize = 16;

pub(super) struct Walk {
    total: u64,
    /// The position of the next byte to come.
    at: u64,
    /// Where the next box begins; `None`: no longer followed.
    next: Option<u64>,
    header: [u8; LONGEST_HEADER],
    gathered: usize,
    has_index: bool,
    has_media: bool,
}

impl Walk {
    pub(super) fn new(total: u64) -> Self {
        let header = [0; LONGEST_HEADER];
        Self { total, at: 0, next: Some(0), header, gathered: 0, has_index: false, has_media: false }
    }

    /// Goes on over the next bytes; the error says what is wrong with the file.
    pub(super) fn over(&mut self, piece: &[u8]) -> Result<(), String> {
        let begin = self.at;
        self.at += piece.len() as u64;
        while let Some(next) = self.next.filter(|next| *next + (self.gathered as u64) < self.at) {
            let from = usize::try_from(next + self.gathered as u64 - begin).unwrap_or(piece.len());
            let Some(byte) = piece.get(from) else { break };
            self.header[self.gathered] = *byte;
            self.gathered += 1;
            self.read_header(next)?;
        }
        if self.at == self.total { self.ended() } else { Ok(()) }
    }

    /// Where the next box begins whose header is not known yet; `None`: there is none, or it is no longer followed.
    pub(super) fn stands_at(&self) -> Option<u64> {
        self.next.filter(|next| *next < self.total)
    }

    /// The next bytes are those at the next box: what lies between is taken for granted.
    pub(super) fn skips_to(&mut self, at: u64) {
        self.at = at;
    }

    /// Whether a file that was followed to its end has all that it needs.
    pub(super) fn ended(&self) -> Result<(), String> {
        if self.next == Some(self.total) && self.has_media && !self.has_index {
            return Err("it has no index".to_owned());
        }
        Ok(())
    }

    /// Takes the header in once it is whole.
    fn read_header(&mut self, begin: u64) -> Result<(), String> {
        let [a, b, c, d, kind @ .., _, _, _, _, _, _, _, _] = self.header;
        let short = u32::from_be_bytes([a, b, c, d]);
        let length = match (short, self.gathered) {
            (_, ..8) | (1, 8..16) => return Ok(()),
            (1, _) => self.header[8..].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
            (short, _) => u64::from(short),
        };
        let header = std::mem::take(&mut self.gathered) as u64;
        // Zero: to the end of the file.
        if length < header || !KNOWN.contains(&&kind) {
            self.next = None;
            return Ok(());
        }
        let end = begin.saturating_add(length);
        if end > self.total && !NEEDED.contains(&&kind) {
            self.next = None;
            return Ok(());
        }
        if end > self.total {
            let kind = kind.escape_ascii();
            return Err(format!("it has {} bytes, and its box {kind} would end at {end}", self.total));
        }
        self.has_index |= kind == *b"moov";
        self.has_media |= kind == *b"mdat";
        self.next = Some(end);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(kind: [u8; 4], content: usize) -> Vec<u8> {
        let mut atom = u32::try_from(content + 8).unwrap().to_be_bytes().to_vec();
        atom.extend_from_slice(&kind);
        atom.resize(content + 8, 0);
        atom
    }

    fn long(kind: [u8; 4], content: usize) -> Vec<u8> {
        let mut atom = 1_u32.to_be_bytes().to_vec();
        atom.extend_from_slice(&kind);
        atom.extend_from_slice(&(content as u64 + 16).to_be_bytes());
        atom.resize(content + 16, 7);
        atom
    }

    /// What is said of a file, in pieces of whatever size.
    fn said(file: &[u8]) -> Option<String> {
        let mut all = [1, 3, 8, 1_000].map(|size| {
            let mut walk = Walk::new(file.len() as u64);
            file.chunks(size).find_map(|piece| walk.over(piece).err())
        });
        assert!(all.iter().all(|said| *said == all[0]), "{all:?}");
        all[0].take()
    }

    #[test]
    fn what_cannot_be_a_box_is_not_followed() {
        let mut short = 1_u32.to_be_bytes().to_vec();
        short.extend_from_slice(b"moov");
        short.extend_from_slice(&8_u64.to_be_bytes());
        assert_eq!(said(&[short, vec![9; 40]].concat()), None, "its length lies within its own header");
        let mut beyond = [atom(*b"ftyp", 16), atom(*b"moov", 100), atom(*b"mdat", 50)].concat();
        beyond.extend_from_slice(&900_u32.to_be_bytes());
        beyond.extend_from_slice(b"free and nothing more");
        assert_eq!(said(&beyond), None, "nobody needs what is free");
    }

    #[test]
    fn a_whole_file_passes_and_a_part_of_it_does_not() {
        for media in [atom(*b"mdat", 500), long(*b"mdat", 500)] {
            let fast = [atom(*b"ftyp", 16), atom(*b"moov", 100), media.clone()].concat();
            let slow = [atom(*b"ftyp", 16), media, atom(*b"moov", 100)].concat();
            for whole in [&fast, &slow] {
                assert_eq!(said(whole), None);
                assert!(said(&whole[..whole.len() / 2]).is_some_and(|why| why.contains("would end at")));
                assert!(said(&whole[..whole.len() - 1]).is_some());
            }
            assert_eq!(said(&slow[..slow.len() - 108]).as_deref(), Some("it has no index"));
        }
    }

    #[test]
    fn what_cannot_be_followed_is_let_pass() {
        let start = [atom(*b"ftyp", 16), atom(*b"moov", 100)].concat();
        let to_the_end = [&[0, 0, 0, 0][..], b"mdat", &[9; 70]].concat();
        for rest in [to_the_end, b"xxxxxxxx and whatever else".to_vec(), vec![0; 9], atom(*b"new!", 50), vec![1; 3]] {
            assert_eq!(said(&[&start[..], &rest].concat()), None);
        }
        let overflow = [&1_u32.to_be_bytes()[..], b"mdat", &[0xff; 8]].concat();
        assert!(said(&overflow).is_some());
    }
}
