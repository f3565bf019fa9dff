//! What a person sees who starts the server: which addresses to open, and which page does what.

use crate::config::{Config, Publishing};
use crate::rights::Key;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// The text that the server greets with.
pub(crate) fn banner(bound: SocketAddr, config: &Config, first_key: Option<&Key>) -> String {
    let neighbours = if bound.ip().is_unspecified() {
        lan_addresses()
    } else {
        Vec::new()
    };
    let keys = keys(config.rights.publishing, first_key);
    compose(bound, &neighbours, &keys, &config.data)
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
fn keys(publishing: Publishing, first_key: Option<&Key>) -> String {
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

fn compose(bound: SocketAddr, neighbours: &[IpAddr], keys: &str, data: &std::path::Path) -> String {
    let port = bound.port();
    let here = if bound.ip().is_unspecified() {
        format!("localhost:{port}")
    } else {
        bound.to_string()
    };
    let mut text = format!(
        "\n  abanico {} is ready: open one of these\n\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut line = |address: &str, note: &str| {
        let _ = writeln!(text, "    {:<40} {note}", format!("http://{address}/"));
    };
    line(&here, "this machine");
    for neighbour in neighbours {
        line(
            &SocketAddr::new(*neighbour, port).to_string(),
            "your network",
        );
    }
    let _ = write!(
        text,
        "\n    /               what is live now\
         \n    /streamer.html   go live: camera, screen or test picture\
         \n    /viewer.html     watch\n"
    );
    if !neighbours.is_empty() || !is_local(bound.ip()) {
        let _ = write!(
            text,
            "\n  Watching works from anywhere. A browser opens its camera only on localhost or over HTTPS: to go\
             \n  live from a phone, put an HTTPS proxy in front (docs/deploy.md).\n"
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

fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_banner_names_the_addresses_to_open() {
        let lan = ["192.168.1.20".parse().unwrap(), "fd00::7".parse().unwrap()];
        let text = compose("[::]:3000".parse().unwrap(), &lan, "", Path::new("data"));
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
