//! STUN and TURN servers as a person types them: `stun:stun.example.org:3478,turn:USER:PASSWORD@turn.example.org:3478`.

use super::ValueError;
use abanico_streamhub::IceServer;
use std::fmt;
use std::str::FromStr;

/// Servers that help peers to find each other. A user or a password with a comma in it cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServers(pub Vec<IceServer>);

impl FromStr for IceServers {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.split(',')
            .map(|one| read(one.trim()))
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| ValueError::IceServers(text.to_owned()))
    }
}

/// Reads one server. TURN asks who one is, STUN does not.
fn read(text: &str) -> Option<IceServer> {
    let (scheme, rest) = text.split_once(':')?;
    match scheme {
        "stun" | "stuns" => is_host(rest).then(|| IceServer {
            urls: text.to_owned(),
            username: None,
            credential: None,
        }),
        "turn" | "turns" => {
            let (who, place) = rest.rsplit_once('@')?;
            let (user, password) = who.split_once(':')?;
            let (host, transport) = place.split_once("?transport=").unwrap_or((place, "udp"));
            let is_known = matches!(transport, "udp" | "tcp");
            let is_right = is_known && is_host(host) && !user.is_empty() && !password.is_empty();
            is_right.then(|| IceServer {
                urls: format!("{scheme}:{place}"),
                username: Some(user.to_owned()),
                credential: Some(password.to_owned()),
            })
        }
        _ => None,
    }
}

/// A name or an address, with a port or without.
fn is_host(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    !text.is_empty() && text.chars().all(legal)
}

impl fmt::Display for IceServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, server) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let (scheme, place) = server.urls.split_once(':').unwrap_or(("", &server.urls));
            match (&server.username, &server.credential) {
                (Some(user), Some(password)) => {
                    write!(f, "{comma}{scheme}:{user}:{password}@{place}")?;
                }
                _ => write!(f, "{comma}{}", server.urls)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_stand_between_commas_and_those_that_ask_who_one_is_are_told() {
        let text = "stun:stun.example.org:3478,turn:ada:s3:cret@192.0.2.1:3478?transport=tcp,turns:a:b@[2001:db8::1]";
        let servers: IceServers = text.parse().unwrap();
        assert_eq!(servers.to_string(), text);
        let IceServer {
            urls,
            username,
            credential,
        } = &servers.0[1];
        assert_eq!(urls, "turn:192.0.2.1:3478?transport=tcp");
        assert_eq!(username.as_deref(), Some("ada"));
        assert_eq!(credential.as_deref(), Some("s3:cret"));
    }

    #[test]
    fn what_no_browser_would_take_is_refused() {
        for wrong in [
            "",
            "stun.example.org",
            "stun:",
            "http:example.org",
            "turn:example.org",
            "turn:ada@example.org",
            "turn::secret@example.org",
            "turn:ada:secret@example.org?transport=sctp",
            "stun:example.org>; rel=x",
            "stun:a.org,",
        ] {
            assert_eq!(
                wrong.parse::<IceServers>(),
                Err(ValueError::IceServers(wrong.to_owned())),
                "{wrong}"
            );
        }
    }
}
