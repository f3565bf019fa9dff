//! The `data` of a frame, as publishers send it: a data URL, bare base64, an attachment, or any JSON at all.
//!
//! It is passed on untouched. Here the form is recognised, so that the bytes inside can be read and bytes of our own can
//! be put into the same form for a viewer that joins.

use abanico_media::jpeg;
use abanico_socketio::Event;
use base64_simd::STANDARD;
use bytes::Bytes;
use bytestring::ByteString;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A data URL's head is short; a mark further away belongs to something else.
const DATA_URL_HEAD_MAX: usize = 256;

/// How many characters of a bare string are decoded to see what it is.
const PEEK_CHARS: usize = 64;

/// One `data` as it came: JSON text, with the attachments that its placeholders count.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    pub(crate) json: ByteString,
    pub(crate) attachments: Vec<Bytes>,
}

/// How media bytes are written in `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a binary attachment.
    Binary,
    /// As a data URL that begins like this, up to and with the comma.
    DataUrl(Box<str>),
    /// As bare base64.
    Base64,
}

const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;

#[derive(serde::Deserialize)]
struct Placeholder {
    #[serde(rename = "_placeholder")]
    is_placeholder: bool,
    num: usize,
}

impl Data {
    /// Takes `data` out of an event with its attachments, and copies neither.
    pub(crate) fn take(event: &Event, data: &RawValue) -> Self {
        Self::of(event.share(data), event.attachments())
    }

    fn of(json: ByteString, attachments: &[Bytes]) -> Self {
        if !attachments.is_empty()
            && let Ok(Placeholder {
                is_placeholder: true,
                num,
            }) = serde_json::from_str(&json)
            && let Some(bytes) = attachments.get(num)
        {
            return Self::binary(bytes.clone());
        }
        Self {
            json,
            attachments: attachments.to_vec(),
        }
    }

    /// Bytes as an attachment.
    pub(crate) fn binary(bytes: Bytes) -> Self {
        Self {
            json: ByteString::from_static(PLACEHOLDER),
            attachments: vec![bytes],
        }
    }

    /// Writes `bytes` in the form that a publisher uses.
    pub(crate) fn in_form(form: &Form, bytes: Bytes) -> Self {
        let (prefix, bytes) = match form {
            Form::Binary => return Self::binary(bytes),
            Form::DataUrl(prefix) => (&**prefix, bytes),
            Form::Base64 => ("", bytes),
        };
        let text = format!("{prefix}{}", STANDARD.encode_to_string(&bytes));
        let json = serde_json::to_string(&text).expect("a string is valid JSON");
        Self {
            json: json.into(),
            attachments: Vec::new(),
        }
    }

    /// Bytes that it weighs.
    pub(crate) fn len(&self) -> usize {
        self.json.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// The form, if this can be media at all.
    pub(crate) fn form(&self) -> Option<Form> {
        if self.is_one_attachment() {
            return Some(Form::Binary);
        }
        let text = self.beginning(DATA_URL_HEAD_MAX)?;
        if let Some((prefix, _)) = split_data_url(&text) {
            return Some(Form::DataUrl(prefix.into()));
        }
        let peek = text.len().min(PEEK_CHARS) / 4 * 4;
        let decodes = peek > 0 && STANDARD.decode_to_vec(text.get(..peek)?.as_bytes()).is_ok();
        decodes.then_some(Form::Base64)
    }

    /// The first bytes of the media inside: enough to recognise it.
    pub(crate) fn first_bytes(&self, form: &Form) -> Vec<u8> {
        if let Form::Binary = form {
            return self
                .attachments
                .first()
                .map_or_else(Vec::new, |b| b[..b.len().min(PEEK_CHARS)].to_vec());
        }
        let Some(text) = self.beginning(DATA_URL_HEAD_MAX + PEEK_CHARS) else {
            return Vec::new();
        };
        let base64 = base64_of(&text, form);
        let peek = if base64.len() <= PEEK_CHARS {
            base64.len()
        } else {
            PEEK_CHARS
        };
        base64
            .get(..peek)
            .and_then(|peek| STANDARD.decode_to_vec(peek.as_bytes()).ok())
            .unwrap_or_default()
    }

    /// All the media bytes inside, if they are written without a fault.
    pub(crate) fn bytes(&self, form: &Form) -> Option<Bytes> {
        if let Form::Binary = form {
            return self.attachments.first().cloned();
        }
        let text = self.text()?;
        STANDARD
            .decode_to_vec(base64_of(&text, form).as_bytes())
            .ok()
            .map(Bytes::from)
    }

    /// What is wrong with the JPEG picture inside, if that can be seen without decoding it.
    pub(crate) fn damage(&self, form: &Form) -> Option<jpeg::Damage> {
        jpeg::damage(&self.bytes(form)?)
    }

    fn is_one_attachment(&self) -> bool {
        self.attachments.len() == 1 && *self.json == *PLACEHOLDER
    }

    /// At least the first `chars` of the text, or all of it, if `data` is a string. Of a long one no more is looked at.
    fn beginning(&self, chars: usize) -> Option<Cow<'_, str>> {
        match self.json.strip_prefix('"')?.get(..chars) {
            Some(head) if !head.contains(['\\', '"']) => Some(Cow::Borrowed(head)),
            _ => self.text(),
        }
    }

    /// The text, if `data` is a string. Without escapes, as base64 always comes from JavaScript, nothing is copied.
    fn text(&self) -> Option<Cow<'_, str>> {
        let inner = self.json.strip_prefix('"')?.strip_suffix('"')?;
        if !inner.contains('\\') {
            return Some(Cow::Borrowed(inner));
        }
        serde_json::from_str(&self.json).ok().map(Cow::Owned)
    }
}

fn base64_of<'a>(text: &'a str, form: &Form) -> &'a str {
    match form {
        Form::DataUrl(prefix) => text.strip_prefix(&**prefix).unwrap_or_default(),
        Form::Binary | Form::Base64 => text,
    }
}

/// The part of a base64 data URL up to and with the comma before its bytes, and the rest.
///
/// Not the first comma: what `MediaRecorder` gives begins with `data:video/webm;codecs=vp8,opus;base64,`.
fn split_data_url(text: &str) -> Option<(&str, &str)> {
    const MARK: &[u8] = b";base64,";
    let head = &text.as_bytes()[..text.len().min(DATA_URL_HEAD_MAX)];
    if !head.get(..5)?.eq_ignore_ascii_case(b"data:") {
        return None;
    }
    let mark = head
        .windows(MARK.len())
        .position(|window| window.eq_ignore_ascii_case(MARK))?;
    text.split_at_checked(mark + MARK.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(json: &str) -> Data {
        Data {
            json: json.into(),
            attachments: Vec::new(),
        }
    }

    #[test]
    fn every_form_is_recognised_and_written_the_same_way_again() {
        let bytes = Bytes::from_static(&[0xff, 0xd8, 0xff, 0xe0, 1, 2, 3, 4, 5, 6]);
        for form in [
            Form::Binary,
            Form::Base64,
            Form::DataUrl("data:image/jpeg;base64,".into()),
            Form::DataUrl("data:video/webm;codecs=vp8,opus;base64,".into()),
        ] {
            let written = Data::in_form(&form, bytes.clone());
            assert_eq!(written.form(), Some(form.clone()));
            assert_eq!(written.bytes(&form), Some(bytes.clone()));
            assert!(written.first_bytes(&form).starts_with(&[0xff, 0xd8, 0xff]));
        }
    }

    #[test]
    fn a_string_with_escaped_slashes_is_the_same_base64() {
        let escaped = data(r#""data:image\/jpeg;base64,\/9j\/4A==""#);
        let form = escaped.form().unwrap();
        assert_eq!(form, Form::DataUrl("data:image/jpeg;base64,".into()));
        assert_eq!(escaped.bytes(&form).unwrap()[..], [0xff, 0xd8, 0xff, 0xe0]);
    }

    #[test]
    fn what_is_no_media_has_no_form() {
        for json in [
            "null",
            "5",
            r#"{"a":[1]}"#,
            r#""hello, world""#,
            r#""""#,
            r#""á""#,
        ] {
            assert_eq!(data(json).form(), None, "{json}");
        }
    }

    #[test]
    fn an_attachment_is_found_by_its_number_and_others_are_left_behind() {
        let json = ByteString::from_static(r#"{"_placeholder":true,"num":1}"#);
        let attachments = [Bytes::from_static(b"other"), Bytes::from_static(b"mine")];
        let taken = Data::of(json, &attachments);
        assert_eq!(taken.attachments, [Bytes::from_static(b"mine")]);
        assert_eq!(taken.form(), Some(Form::Binary));
    }

    #[test]
    fn nested_attachments_are_passed_on_as_they_came() {
        let text = r#"{"video":{"_placeholder":true,"num":0},"n":1}"#;
        let taken = Data::of(text.into(), &[Bytes::from_static(b"x")]);
        assert_eq!((&*taken.json, taken.attachments.len()), (text, 1));
        assert_eq!(taken.form(), None);
    }
}
