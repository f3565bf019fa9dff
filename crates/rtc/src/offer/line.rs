//! One line of media of an offer while it is read: what it is, which way it goes, and what it lacks.

use super::Refused;
use crate::trickle::{FRAGMENT_MIN, PASSWORD_MIN, is_ice_text};
use str0m::media::MediaKind;

/// Of what a line has are so many told when it has nothing that is understood.
const NAMED_MAX: usize = 6;

/// One line of media.
#[derive(Debug, Default)]
pub(super) struct Line<'a> {
    pub(super) kind: Option<MediaKind>,
    pub(super) mid: Option<&'a str>,
    /// Whether it goes the way that is wanted; `None` while it has no direction.
    pub(super) goes: Option<bool>,
    has_port: bool,
    is_bundled: bool,
    is_muxed: bool,
    /// What it has: the number under which it travels, and its name.
    codecs: Vec<(&'a str, &'a str)>,
    /// What is said of those.
    formats: Vec<(&'a str, &'a str)>,
}

impl<'a> Line<'a> {
    /// Begins with what stands behind `m=`.
    pub(super) fn new(description: &'a str) -> Result<Self, Refused> {
        let mut words = description.split(' ');
        let kind = match words.next() {
            Some("application") => return Err(Refused::Data),
            Some("audio") => Some(MediaKind::Audio),
            Some("video") => Some(MediaKind::Video),
            _ => None,
        };
        let has_port = words.next().is_some_and(|port| port != "0");
        Ok(Self {
            kind,
            has_port,
            ..Self::default()
        })
    }

    /// Takes one of its attributes.
    pub(super) fn take(&mut self, line: &'a str) {
        let of_format = |name| line.strip_prefix(name)?.split_once(' ');
        match line {
            "a=rtcp-mux" | "a=rtcp-mux-only" => self.is_muxed = true,
            "a=bundle-only" => self.is_bundled = true,
            _ => self.mid = line.strip_prefix("a=mid:").or(self.mid),
        }
        self.codecs.extend(of_format("a=rtpmap:"));
        self.formats.extend(of_format("a=fmtp:"));
    }

    /// Whether the peer itself has rejected it. RFC 3264, 8.2; RFC 8843, 6.
    pub(super) fn is_rejected(&self) -> bool {
        !self.has_port && !self.is_bundled
    }

    /// Whether it is there and goes the way that is wanted.
    pub(super) fn is_wanted(&self) -> bool {
        self.kind.is_some() && !self.is_rejected() && self.goes != Some(false)
    }

    /// What it lacks, if it lacks anything that it must have.
    pub(super) fn fault(&self) -> Option<Refused> {
        let lacks = self.is_wanted() && !self.is_muxed;
        lacks.then(|| Refused::Unreadable("a line of media has no a=rtcp-mux".to_owned()))
    }

    /// What it has, in the words of SDP, with the profiles of H.264.
    pub(super) fn offered(&self) -> String {
        let mut names = Vec::new();
        for (number, name) in &self.codecs {
            let name = name.split('/').next().unwrap_or_default();
            if ["rtx", "red", "ulpfec", "flexfec-03"].contains(&name) {
                continue;
            }
            let format = self.formats.iter().find(|(of, _)| of == number);
            let format = format.filter(|_| name.eq_ignore_ascii_case("H264"));
            let name = match format {
                Some((_, format)) => format!("{name} ({format})"),
                None => name.to_owned(),
            };
            let is_plain = |character: &char| character.is_ascii_graphic() || *character == ' ';
            let name = name.chars().filter(is_plain).take(120).collect::<String>();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.truncate(NAMED_MAX);
        if names.is_empty() {
            return "nothing".to_owned();
        }
        names.join(", ")
    }
}

/// What is wrong with a line that says how the peer's packets are known, whichever line of media it belongs to.
pub(super) fn credentials_fault(line: &str) -> Option<Refused> {
    let says = |sentence: &str| Some(Refused::Unreadable(sentence.to_owned()));
    if let Some(fragment) = line.strip_prefix("a=ice-ufrag:")
        && !is_ice_text(fragment, FRAGMENT_MIN)
    {
        return says("its a=ice-ufrag has not 4 to 256 of the characters that ICE allows");
    }
    if let Some(password) = line.strip_prefix("a=ice-pwd:")
        && !is_ice_text(password, PASSWORD_MIN)
    {
        return says("its a=ice-pwd has not 22 to 256 of the characters that ICE allows");
    }
    if let Some(fingerprint) = line.strip_prefix("a=fingerprint:")
        && !is_fingerprint(fingerprint)
    {
        return says("its a=fingerprint is not as long as its hash, or no hash that is known");
    }
    None
}

fn is_fingerprint(text: &str) -> bool {
    let Some((hash, bytes)) = text.split_once(' ') else {
        return false;
    };
    let length = match hash.to_ascii_lowercase().as_str() {
        "sha-1" => 20,
        "sha-224" => 28,
        "sha-256" => 32,
        "sha-384" => 48,
        "sha-512" => 64,
        _ => return false,
    };
    let is_byte =
        |byte: &str| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
    bytes.split(':').count() == length && bytes.split(':').all(is_byte)
}
