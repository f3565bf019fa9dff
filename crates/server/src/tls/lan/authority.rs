//! LAN mode's own certificate authority: made at the first use, kept in the data directory, trusted by whoever installs it.
//!
//! Invariant: its key never leaves its file, which nobody but the server's user may read. Invariant: it can vouch for
//! nothing but private addresses and names that mean something in one network only, so that a device which trusts it
//! gives away no more than that, even to a thief of the key.

use super::names::Names;
use crate::private;
use crate::tls::provider;
use anyhow::{Context, bail, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long the authority lasts. Then every device has to be told of a new one.
const AUTHORITY_FOR: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long one of its certificates lasts. They are renewed long before.
pub(super) const CERTIFICATE_FOR: Duration = Duration::from_secs(90 * 24 * 3600);

/// Endings of names for which it may vouch.
const ENDINGS: [&str; 5] = ["localhost", "local", "lan", "internal", "home.arpa"];

/// Networks for whose addresses it may vouch: this machine, private and link-local ones.
const NETWORKS_V4: [([u8; 4], u8); 5] = [
    ([127, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([169, 254, 0, 0], 16),
];

/// The same of IPv6, by their first segment.
const NETWORKS_V6: [(u16, u8); 2] = [(0xfc00, 7), (0xfe80, 10)];

/// An authority that can issue.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// Names and endings for which it may vouch.
    permitted: Vec<String>,
}

impl Authority {
    /// The one in the folder, or a new one. `host` is what the machine is called.
    pub(crate) fn open(folder: &Path, host: Option<&str>) -> anyhow::Result<Self> {
        let (certificate, key) = (folder.join("ca.pem"), folder.join("ca-key.pem"));
        match (certificate.exists(), key.exists()) {
            (false, false) => make(folder, &certificate, &key, host)?,
            (true, true) => {}
            _ => bail!(
                "of LAN mode's authority in {shown} one file is missing: ca.pem and ca-key.pem belong together\n  hint: bring \
                 it back, or remove {shown} to have a new authority made, which every device must be told of",
                shown = folder.display()
            ),
        }
        is_private(&key)?;
        load(&certificate, &key)
    }

    /// Its certificate, as devices install it.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Whether it may vouch for this name.
    pub(crate) fn permits(&self, name: &str) -> bool {
        self.permitted.iter().any(|permitted| {
            name.strip_suffix(permitted.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    /// A certificate for these names, with a key of its own that is never written down.
    pub(crate) fn issue(&self, names: &Names, now: SystemTime) -> anyhow::Result<CertifiedKey> {
        let mut params = dated(now, CERTIFICATE_FOR);
        params.distinguished_name = named("Abanico".to_owned());
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for name in names.hosts.iter().filter(|name| self.permits(name)) {
            let name = name.clone().try_into().context("a host's name")?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        let addresses = names.addresses.iter().copied();
        params
            .subject_alt_names
            .extend(addresses.map(SanType::IpAddress));
        let key = KeyPair::generate().context("no key for a certificate")?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("no certificate by LAN mode's authority")?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        CertifiedKey::from_der(chain, key, &provider()).context("LAN mode's certificate")
    }
}

/// Whether the authority may vouch for this address.
pub(super) fn may_vouch_for(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => NETWORKS_V4.iter().any(|(network, prefix)| {
            let mask = u32::MAX << (32 - u32::from(*prefix));
            u32::from(v4) & mask == u32::from_be_bytes(*network)
        }),
        IpAddr::V6(v6) => {
            let of_network = |(first, prefix): &(u16, u8)| {
                let mask = u16::MAX << (16 - u32::from(*prefix));
                v6.segments()[0] & mask == *first
            };
            v6.is_loopback() || NETWORKS_V6.iter().any(of_network)
        }
    }
}

fn permitted(host: Option<&str>) -> Vec<GeneralSubtree> {
    let names = ENDINGS.iter().copied().chain(host);
    let names = names.map(|name| GeneralSubtree::DnsName(name.to_owned()));
    let v4 = NETWORKS_V4
        .iter()
        .map(|(network, prefix)| CidrSubnet::from_v4_prefix(*network, *prefix));
    let v6 = NETWORKS_V6.iter().map(|(first, prefix)| {
        let mut network = [0; 16];
        network[..2].copy_from_slice(&first.to_be_bytes());
        CidrSubnet::from_v6_prefix(network, *prefix)
    });
    let itself = CidrSubnet::from_v6_prefix(std::net::Ipv6Addr::LOCALHOST.octets(), 128);
    let networks = v4.chain(v6).chain([itself]).map(GeneralSubtree::IpAddress);
    names.chain(networks).collect()
}

/// From yesterday on, because clocks differ.
fn dated(now: SystemTime, last: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = OffsetDateTime::from(now - DAY);
    params.not_after = OffsetDateTime::from(now + last);
    params
}

fn named(name: String) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named.push(DnType::OrganizationName, "Abanico");
    named
}

/// Makes an authority and writes it down.
fn make(folder: &Path, certificate: &Path, key: &Path, host: Option<&str>) -> anyhow::Result<()> {
    let now = SystemTime::now();
    let mut params = dated(now, AUTHORITY_FOR);
    // The day tells two of them apart in a device's list.
    let day = OffsetDateTime::from(now).date();
    params.distinguished_name = named(format!(
        "Abanico of {} ({day})",
        host.unwrap_or("this network")
    ));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: permitted(host),
        excluded_subtrees: Vec::new(),
    });
    let pair = KeyPair::generate().context("no key for LAN mode's authority")?;
    let made = params
        .self_signed(&pair)
        .context("no certificate for LAN mode's authority")?;
    private::make_folder(folder)
        .and_then(|()| private::write(key, &pair.serialize_pem()))
        .and_then(|()| private::write(certificate, &made.pem()))
        .with_context(|| {
            format!(
                "LAN mode's authority cannot be kept in {}\n  hint: name a data directory that you may write, `--data DIR`\n  reason",
                folder.display()
            )
        })
}

fn load(certificate: &Path, key: &Path) -> anyhow::Result<Authority> {
    let unusable = |path: &Path| {
        format!(
            "LAN mode's authority cannot be read from {}\n  hint: bring the file back, or remove its folder to have a new \
             authority made, which every device must be told of\n  reason",
            path.display()
        )
    };
    let pair = fs::read_to_string(key)
        .map_err(anyhow::Error::from)
        .and_then(|pem| Ok(KeyPair::from_pem(&pem)?))
        .with_context(|| unusable(key))?;
    let pem = fs::read_to_string(certificate).with_context(|| unusable(certificate))?;
    let der =
        CertificateDer::from_pem_slice(pem.as_bytes()).with_context(|| unusable(certificate))?;
    let (_, parsed) = X509Certificate::from_der(&der).with_context(|| unusable(certificate))?;
    ensure!(
        parsed.public_key().raw == rcgen::PublicKeyData::subject_public_key_info(&pair),
        "LAN mode's authority: the key in {} does not belong to the certificate beside it\n  hint: bring the right one back, \
         or remove the folder to have a new authority made, which every device must be told of",
        key.display()
    );
    ensure!(
        parsed.validity().is_valid(),
        "LAN mode's authority in {} has ended\n  hint: remove its folder to have a new one made, and tell every device of it",
        certificate.display()
    );
    let constraints = parsed.name_constraints().ok().flatten();
    let permitted = constraints
        .and_then(|constraints| constraints.value.permitted_subtrees.as_ref())
        .into_iter()
        .flatten()
        .filter_map(|subtree| match subtree.base {
            GeneralName::DNSName(name) => Some(name.to_owned()),
            _ => None,
        })
        .collect();
    let issuer = Issuer::from_ca_cert_der(&der, pair).with_context(|| unusable(certificate))?;
    Ok(Authority {
        issuer,
        permitted,
        certificate: der,
    })
}

/// An authority whose key others may have read is none to be trusted.
fn is_private(key: &Path) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = fs::metadata(key)
            .with_context(|| key.display().to_string())?
            .mode();
        ensure!(
            mode & 0o077 == 0,
            "{shown} may be read by others than its owner (mode {mode:o})\n  hint: `chmod 600 {shown}`, if nobody can have taken it; \
             else remove its folder",
            mode = mode & 0o777,
            shown = key.display()
        );
    }
    let _ = key;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_vouches_for_private_addresses_and_local_names_alone() {
        for private in [
            "127.0.0.1",
            "192.168.7.1",
            "10.1.2.3",
            "172.31.0.1",
            "fd00::7",
            "::1",
        ] {
            assert!(may_vouch_for(private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "2001:db8::1", "192.169.0.1"] {
            assert!(!may_vouch_for(public.parse().unwrap()), "{public}");
        }
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(&folder.path().join("lan"), Some("desk")).unwrap();
        for local in ["localhost", "desk", "desk.local", "a.desk.lan"] {
            assert!(authority.permits(local), "{local}");
        }
        for public in ["example.org", "desk.example.org", "notlocal", "otherdesk"] {
            assert!(!authority.permits(public), "{public}");
        }
    }

    #[test]
    fn the_same_authority_is_there_after_a_restart_and_a_key_for_all_to_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("lan");
        let first = Authority::open(&folder, Some("desk")).unwrap();
        // The machine has a new name: the authority is the old one, which does not know it.
        let second = Authority::open(&folder, Some("shelf")).unwrap();
        assert_eq!(first.certificate(), second.certificate());
        assert!(second.permits("desk") && !second.permits("shelf"));
        let key = folder.join("ca-key.pem");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&folder), mode(&key)), (0o700, 0o600));
            fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
            let error = Authority::open(&folder, None)
                .map(drop)
                .unwrap_err()
                .to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
        fs::remove_file(&key).unwrap();
        let error = Authority::open(&folder, None)
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(error.contains("one file is missing"), "{error}");
    }
}
