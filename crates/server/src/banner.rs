//! What a person sees who starts the server: which addresses to open, and which page does what.

use crate::config::{Config, Publishing};
use crate::qr;
use crate::rights::{CODE_FOR, Secret};
use crate::tls::Https;
use crate::trust::Trust;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::net::{IpAddr, SocketAddr};

/// What there is to greet with beside the address of plain HTTP.
pub(crate) struct Greeting {
    /// Where HTTPS is.
    pub(crate) tls: Option<SocketAddr>,
    /// The public names that a certificate is got for.
    pub(crate) names: Option<Named>,
    /// LAN mode.
    pub(crate) trust: Option<Trust>,
}

/// A server with public names.
pub(crate) struct Named {
    names: Vec<String>,
    port: u16,
    /// Whether there is a certificate already.
    has_certificate: bool,
    /// Why there was none when last asked for.
    last_failure: Option<String>,
}

impl Named {
    /// Of a server that gets its certificate by ACME.
    pub(crate) fn of(https: &Https) -> Option<Self> {
        let acme = https.acme()?;
        Some(Self {
            names: acme.names().to_vec(),
            port: https.public_port,
            has_certificate: acme.is_shown(),
            last_failure: acme.last_failure(),
        })
    }

    fn addresses(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|name| match self.port {
            443 => name.clone(),
            port => format!("{name}:{port}"),
        })
    }

    /// What is said of the certificate, where there is something to say.
    fn certificate(&self) -> String {
        let mut text = String::new();
        if !self.has_certificate {
            text += "\n  HTTPS waits for its certificate, which is asked for now: the log says what comes of it.\n";
        }
        if let Some(failure) = &self.last_failure {
            let _ = writeln!(
                text,
                "  A certificate was asked for in vain. Last time: {failure}"
            );
        }
        text
    }
}

/// The text that the server greets with.
pub(crate) fn banner(
    bound: SocketAddr,
    greeting: &Greeting,
    config: &Config,
    first_key: Option<&Secret>,
) -> String {
    let neighbours = if bound.ip().is_unspecified() {
        lan_addresses()
    } else {
        Vec::new()
    };
    let keys = keys(config.rights.publishing, first_key);
    let text = compose(bound, greeting, &neighbours, &keys, &config.data);
    match &greeting.trust {
        Some(trust) => {
            let address = trust.address();
            // What is not a terminal may be a log.
            let scanned = if std::io::stdout().is_terminal() {
                trust.address_with_code().or_else(|| address.clone())
            } else {
                None
            };
            let shows_codes = config.rights.publishing == Publishing::Local;
            let more = shows_codes.then(|| format!("http://localhost:{}/trust", bound.port()));
            for_phones(address, scanned, more, &trust.fingerprint()) + &text
        }
        None => text,
    }
}

/// The addresses under which others in the local network reach this machine, IPv4 first.
pub(crate) fn lan_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = if_addrs::get_if_addrs() else {
        return Vec::new();
    };
    let mut addresses: Vec<_> = interfaces
        .into_iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
        .map(|interface| interface.ip())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Who may go live, and with what.
fn keys(publishing: Publishing, first_key: Option<&Secret>) -> String {
    let asked = match publishing {
        Publishing::Key => "Who goes live is asked for the operator's key.",
        Publishing::Local => "Who goes live from another machine is asked for the operator's key.",
        Publishing::Open => "Anybody who reaches this server may go live (publishing = open).",
    };
    match first_key {
        Some(key) => format!(
            "\n  The operator's key, shown this once:   {}\n  {asked} `abanico key` makes another.\n",
            key.reveal()
        ),
        None => format!("\n  {asked}\n"),
    }
}

fn compose(
    bound: SocketAddr,
    greeting: &Greeting,
    neighbours: &[IpAddr],
    keys: &str,
    data: &std::path::Path,
) -> String {
    let port = bound.port();
    let here = |bound: SocketAddr| {
        if bound.ip().is_unspecified() {
            format!("localhost:{}", bound.port())
        } else {
            bound.to_string()
        }
    };
    let mut text = format!(
        "\n  abanico {} is ready: open one of these\n\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut line = |scheme: &str, address: &str, note: &str| {
        let _ = writeln!(text, "    {:<40} {note}", format!("{scheme}://{address}/"));
    };
    line("http", &here(bound), "this machine");
    for neighbour in neighbours {
        line(
            "http",
            &SocketAddr::new(*neighbour, port).to_string(),
            "your network",
        );
    }
    if let Some(tls) = greeting.tls {
        line("https", &here(tls), "by the name in its certificate");
    }
    for name in greeting.names.iter().flat_map(Named::addresses) {
        line("https", &name, "everybody");
    }
    if let Some(names) = &greeting.names {
        text.push_str(&names.certificate());
    }
    let _ = write!(
        text,
        "\n    /               what is live now\
         \n    /streamer.html   go live: camera, screen or test picture\
         \n    /viewer.html     watch\n"
    );
    if greeting.tls.is_none() && (!neighbours.is_empty() || !is_local(bound.ip())) {
        let _ = write!(
            text,
            "\n  Watching works from anywhere. A browser opens its camera only on localhost or over HTTPS: to go\
             \n  live from a phone, start with --lan (docs/deploy.md).\n"
        );
    }
    text.push_str(keys);
    let _ = writeln!(
        text,
        "\n  Data is kept in {}. Ctrl-C stops.\n",
        data.display()
    );
    text
}

/// How a phone comes in, in LAN mode: on top of a terminal's screen there is room for a code. `more` is where another is
/// shown.
fn for_phones(
    address: Option<String>,
    scanned: Option<String>,
    more: Option<String>,
    fingerprint: &str,
) -> String {
    let Some(address) = address else {
        return "\n  LAN mode: no phone reaches this server, as the machine is in no network yet, or `listen` leaves it out.\n  \
             Mend that, and start anew.\n"
            .to_owned();
    };
    let drawn = scanned.as_deref().and_then(qr::terminal);
    let mut text = format!(
        "\n{}\n  A phone's camera, live: scan this, or open {address} on the phone.\n",
        drawn.unwrap_or_default()
    );
    let minutes = CODE_FOR.as_secs() / 60;
    if scanned.is_some_and(|scanned| scanned != address) {
        let _ = writeln!(
            text,
            "  Who scans it within {minutes} minutes may go live without the operator's key, one phone."
        );
    }
    if let Some(more) = more {
        let _ = writeln!(text, "  {more} on this machine shows another code.");
    }
    let _ = writeln!(
        text,
        "  The authority that it is told to trust has the SHA-256 fingerprint\n    {fingerprint}"
    );
    text
}

fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const PLAIN: Greeting = Greeting {
        tls: None,
        names: None,
        trust: None,
    };

    #[test]
    fn a_phone_is_shown_a_code_that_is_nowhere_in_clear() {
        let address = "http://192.168.1.20:3000/trust";
        let scanned = format!("{address}#pair=0123456789abcdef");
        let more = "http://localhost:3000/trust".to_owned();
        let told = |scanned: Option<String>| {
            for_phones(
                Some(address.to_owned()),
                scanned,
                Some(more.clone()),
                "AB:CD",
            )
        };
        let text = told(Some(scanned));
        assert!(text.contains("within 15 minutes"), "{text}");
        assert!(text.contains('\u{2588}') && text.contains(&more), "{text}");
        assert!(!text.contains("0123456789abcdef"), "{text}");
        for without in [told(None), told(Some(address.to_owned()))] {
            assert!(!without.contains("within"), "{without}");
        }
    }

    fn with_names(has_certificate: bool, last_failure: Option<&str>) -> String {
        let greeting = Greeting {
            tls: Some("[::]:443".parse().unwrap()),
            names: Some(Named {
                names: vec!["live.example.org".to_owned()],
                port: 443,
                has_certificate,
                last_failure: last_failure.map(str::to_owned),
            }),
            trust: None,
        };
        let bound = "[::]:80".parse().unwrap();
        compose(bound, &greeting, &[], "", Path::new("data"))
    }

    #[test]
    fn a_server_with_public_names_says_them_and_why_they_have_no_certificate() {
        let text = with_names(true, None);
        assert!(text.contains("https://live.example.org/ "), "{text}");
        assert!(!text.contains("certificate,"), "{text}");
        let text = with_names(false, Some("the port is shut"));
        assert!(text.contains("HTTPS waits for its certificate,"), "{text}");
        assert!(text.contains("Last time: the port is shut"), "{text}");
        let text = with_names(true, Some("the port is shut"));
        assert!(text.contains("Last time: the port is shut"), "{text}");
    }

    #[test]
    fn the_banner_names_the_addresses_to_open() {
        let lan = ["192.168.1.20".parse().unwrap(), "fd00::7".parse().unwrap()];
        let text = compose(
            "[::]:3000".parse().unwrap(),
            &PLAIN,
            &lan,
            "",
            Path::new("data"),
        );
        for address in [
            "http://localhost:3000/",
            "http://192.168.1.20:3000/",
            "http://[fd00::7]:3000/",
            "HTTPS",
        ] {
            assert!(text.contains(address), "{address} is not in {text}");
        }
    }

    #[test]
    fn a_server_for_this_machine_only_speaks_of_no_other() {
        let text = compose(
            "127.0.0.1:4000".parse().unwrap(),
            &PLAIN,
            &[],
            "",
            Path::new("data"),
        );
        assert!(text.contains("http://127.0.0.1:4000/"), "{text}");
        assert!(
            !text.contains("HTTPS") && !text.contains("your network"),
            "{text}"
        );
    }
}
