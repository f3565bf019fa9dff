//! Which server is loaded: what a URL names.
//!
//! Invariant: it is on this machine.

use crate::tls::{Target, Trust};
use anyhow::{Context, bail, ensure};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What a URL names. Only this machine may be loaded.
pub(crate) fn target(url: &str, trust: &Trust) -> anyhow::Result<Target> {
    let (rest, is_secure) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, true),
        _ => {
            bail!("`{url}` does not begin with http:// or https://: such as http://127.0.0.1:3000")
        }
    };
    let usual_port = if is_secure { 443 } else { 80 };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let named = authority
        .strip_prefix("localhost")
        .filter(|port| port.is_empty() || port.starts_with(':'));
    let address = match named {
        Some("") => SocketAddr::from((Ipv4Addr::LOCALHOST, usual_port)),
        Some(port) => SocketAddr::from((
            Ipv4Addr::LOCALHOST,
            port[1..]
                .parse()
                .with_context(|| format!("`{url}` has no port that can be"))?,
        )),
        None => match authority.parse::<SocketAddr>() {
            Ok(address) => address,
            Err(_) => {
                let host = authority.trim_matches(['[', ']']).parse::<IpAddr>().ok();
                let host = host.with_context(|| {
                    format!("`{url}` is no address of this machine: such as http://127.0.0.1:3000")
                })?;
                SocketAddr::new(host, usual_port)
            }
        },
    };
    if !address.ip().is_loopback() {
        bail!(
            "{} is not this machine: only a loopback address may be loaded\n  hint: run `abanico bench` where the \
             server runs, with --url http://127.0.0.1:{}",
            address.ip(),
            address.port()
        );
    }
    if !is_secure {
        ensure!(
            !trust.insecure && trust.ca.is_none(),
            "--insecure and --ca are for https://, and `{url}` is not"
        );
        return Ok(Target::plain(address));
    }
    let host = match named {
        Some(_) => "localhost".to_owned(),
        None => address.ip().to_string(),
    };
    Target::secure(address, &host, trust)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_target() {
        let target = |url: &str| super::target(url, &Trust::default()).map(|it| it.address);
        assert_eq!(
            target("http://127.0.0.1:3000").unwrap().to_string(),
            "127.0.0.1:3000"
        );
        assert_eq!(
            target("http://localhost:8080/").unwrap().to_string(),
            "127.0.0.1:8080"
        );
        assert_eq!(
            target("http://[::1]:3000").unwrap().to_string(),
            "[::1]:3000"
        );
        assert_eq!(target("http://127.0.0.1").unwrap().port(), 80);
        for url in ["http://192.0.2.1:3000", "http://[2001:db8::1]:80"] {
            let error = target(url).unwrap_err().to_string();
            assert!(error.contains("only a loopback address"), "{error}");
        }
        for url in [
            "ftp://127.0.0.1",
            "http://example.org",
            "http://localhost:no",
            "http://localhost.example.org",
        ] {
            assert!(target(url).is_err(), "{url}");
        }
    }
}
