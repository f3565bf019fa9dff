//! Whom the server may be told to ask: an address that begins with `https://` or `http://`.

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Where something is asked. A password has no place in it, since settings are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    is_encrypted: bool,
    name: String,
    port: u16,
    host: HeaderValue,
    path: Uri,
}

/// A text that is no such address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Something else altogether.
    #[error("`{0}` is no address of a web server: type for example https://example.org/abanico")]
    NoAddress(String),
    /// With a name or a password before the host. Neither is repeated.
    #[error("an address with a name or a password in it is not taken: requests are signed instead")]
    Password,
}

impl Target {
    /// Whether it is asked over TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// The host's name or address, without brackets.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The address, if no name needs to be looked up.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }

    /// What stands in the header `Host`.
    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Path and query.
    pub(crate) fn path(&self) -> &Uri {
        &self.path
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::NoAddress(text.to_owned());
        if text
            .split(['/', '?', '#'])
            .nth(2)
            .is_some_and(|authority| authority.contains('@'))
        {
            return Err(TargetError::Password);
        }
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_encrypted = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let standard = if is_encrypted { 443 } else { 80 };
        let name = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let port = match Authority::port(authority) {
            Some(port) => port.as_u16(),
            // What follows a host without a port is nothing.
            None if authority.as_str().len() > authority.host().len() => return Err(wrong()),
            None => standard,
        };
        if name.is_empty() || port == 0 {
            return Err(wrong());
        }
        Ok(Self {
            is_encrypted,
            name: name.to_owned(),
            port,
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?,
            path: path.parse().map_err(|_| wrong())?,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        let host = self.host.to_str().unwrap_or_default();
        write!(f, "{scheme}://{host}{}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let read = |text: &str| {
            let target: Target = text.parse().unwrap();
            assert_eq!(
                target.to_string().trim_end_matches('/'),
                text.trim_end_matches('/')
            );
            (
                target.is_encrypted,
                target.name.clone(),
                target.port,
                target.path.to_string(),
            )
        };
        let of = |is_encrypted, name: &str, port, path: &str| {
            (is_encrypted, name.to_owned(), port, path.to_owned())
        };
        assert_eq!(
            read("https://example.org"),
            of(true, "example.org", 443, "/")
        );
        assert_eq!(
            read("http://example.org/a?b=c"),
            of(false, "example.org", 80, "/a?b=c")
        );
        assert_eq!(
            read("https://[2001:db8::1]:8443/x"),
            of(true, "2001:db8::1", 8443, "/x")
        );
        assert_eq!(read("http://127.0.0.1:9/"), of(false, "127.0.0.1", 9, "/"));
    }

    #[test]
    fn what_is_no_address_is_named_and_a_password_is_not_repeated() {
        for wrong in [
            "",
            "example.org",
            "/path",
            "ftp://example.org/",
            "https://",
            "https:///x",
            "https://example.org:0/",
            "https://example.org:x/",
            "https://exa mple.org/",
            "file:///etc/passwd",
        ] {
            let read = wrong.parse::<Target>();
            assert_eq!(
                read,
                Err(TargetError::NoAddress(wrong.to_owned())),
                "{wrong}"
            );
        }
        let refused = "https://ada:secret@example.org/"
            .parse::<Target>()
            .unwrap_err();
        assert!(!refused.to_string().contains("secret"));
    }
}
