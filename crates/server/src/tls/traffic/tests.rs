//! Against rustls's own client, in every suite.

use super::*;
use crate::tls::handshake::Handshake;
use crate::tls::provider;
use rustls::client::ClientConnection;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, Error, RootCertStore, ServerConfig, SupportedCipherSuite};
use std::io::{Read, Write};
use std::sync::Arc;

/// Both ends of a connection.
struct Pair {
    client: ClientConnection,
    server: Traffic,
}

fn suites() -> Vec<SupportedCipherSuite> {
    let suites = provider().cipher_suites.clone();
    let of_ecdsa = |suite: &SupportedCipherSuite| {
        suite.tls13().is_some() || format!("{:?}", suite.suite()).contains("ECDSA")
    };
    suites.into_iter().filter(of_ecdsa).collect()
}

fn is_1_3(suite: SupportedCipherSuite) -> bool {
    suite.tls13().is_some()
}

impl Pair {
    /// After a handshake with this suite, in whose last flight the client says something.
    fn new(suite: SupportedCipherSuite, said: &[u8]) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::from(key))
            .unwrap();
        config.enable_secret_extraction = true;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let offered = CryptoProvider {
            cipher_suites: vec![suite],
            ..(*provider()).clone()
        };
        let version = suite.version();
        let mut offered = ClientConfig::builder_with_provider(Arc::new(offered))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        offered.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = "localhost".try_into().unwrap();
        let mut client = ClientConnection::new(Arc::new(offered), name).unwrap();
        client.writer().write_all(said).unwrap();
        let mut server = Handshake::new(Arc::new(config)).unwrap();
        loop {
            while client.wants_write() {
                client.write_tls(&mut server.unread).unwrap();
            }
            let is_done = server.step().unwrap();
            feed(&mut client, &std::mem::take(&mut server.unsent)).unwrap();
            if is_done {
                break;
            }
        }
        let server = server.finish().unwrap();
        assert!(!client.is_handshaking());
        assert_eq!(server.protocol(), Some(&b"http/1.1"[..]));
        Self { client, server }
    }

    /// Takes what the client says to the server, cut as it comes. Says what of it was content.
    fn hear_client(&mut self, cut: usize) -> io::Result<Vec<u8>> {
        let mut sent = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut sent).unwrap();
        }
        let mut content = Vec::new();
        let mut buffer = [0; 1000];
        for part in sent.chunks(cut) {
            let mut raw = [self.server.sealed(), part].concat();
            let taken = self.server.receive(&mut raw, &mut buffer)?;
            content.extend_from_slice(&buffer[..taken]);
            while !self.server.content().is_empty() {
                let taken = self.server.take(&mut buffer);
                content.extend_from_slice(&buffer[..taken]);
            }
        }
        Ok(content)
    }

    /// Takes what the server kept to the client.
    fn answer(&mut self) -> Result<Vec<u8>, Error> {
        let unsent = self.server.unsent().to_vec();
        self.server.sent(unsent.len());
        feed(&mut self.client, &unsent)
    }

    /// Has the server say what is in `slices`, with so much room at a time. Returns what the client hears.
    fn tell_client(&mut self, slices: &[IoSlice<'_>], room: usize) -> Vec<u8> {
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        let (mut out, mut taken, mut heard) = (vec![0; room], 0, Vec::new());
        while taken < len {
            self.server.prepare().unwrap();
            heard.extend(self.answer().unwrap());
            let (content, records) = self.server.seal(slices, taken, &mut out).unwrap();
            assert!(content > 0);
            taken += content;
            heard.extend(feed(&mut self.client, &out[..records]).unwrap());
        }
        heard
    }

    /// Whether both hear each other.
    fn converse(&mut self) {
        assert_eq!(self.tell_client(&[IoSlice::new(b"ping")], 1000), b"ping");
        self.client.writer().write_all(b"pong").unwrap();
        assert_eq!(self.hear_client(usize::MAX).unwrap(), b"pong");
    }
}

/// What the client hears in these records.
fn feed(client: &mut ClientConnection, mut records: &[u8]) -> Result<Vec<u8>, Error> {
    let mut heard = Vec::new();
    while !records.is_empty() {
        client.read_tls(&mut records).unwrap();
        client.process_new_packets()?;
        // That there is nothing yet is no error here.
        let _ = client.reader().read_to_end(&mut heard);
    }
    Ok(heard)
}

/// Bytes that differ from their neighbours.
fn content(len: usize, seed: usize) -> Vec<u8> {
    let byte = |n: usize| {
        (n.wrapping_mul(2_654_435_761)
            .wrapping_add(seed.wrapping_mul(97))
            >> 7)
            .to_le_bytes()[0]
    };
    (0..len).map(byte).collect()
}

#[test]
fn a_client_hears_what_was_sealed_however_it_was_sliced() {
    let shapes: [&[usize]; 9] = [
        &[1],
        &[14, 156_000],
        &[14, 10_400, 40],
        &[100, 30_000, 60, 8],
        &[16_384],
        &[16_384, 16_384, 1],
        &[0, 5, 0, 300, 0],
        &[200_000, 200],
        &[16_000, 300, 300, 300],
    ];
    for suite in suites() {
        let mut pair = Pair::new(suite, b"");
        for round in 0..20 {
            for (number, shape) in shapes.iter().enumerate() {
                let slices: Vec<_> = shape
                    .iter()
                    .map(|&len| content(len, round * 10 + number))
                    .collect();
                let list: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
                let room = [100, 20_000, 140_000][round % 3];
                let heard = pair.tell_client(&list, room);
                assert!(heard == slices.concat(), "{suite:?} {shape:?} {room}");
            }
        }
        pair.converse();
    }
}

#[test]
fn what_a_client_says_is_heard_however_it_is_cut() {
    for suite in suites() {
        let mut pair = Pair::new(suite, b"");
        for (len, cut) in [(50_000, 7_000), (300, 1), (40_000, 16_000), (1, usize::MAX)] {
            let said = content(len, cut);
            pair.client.writer().write_all(&said).unwrap();
            assert!(
                pair.hear_client(cut).unwrap() == said,
                "{suite:?} {len} {cut}"
            );
        }
        pair.converse();
    }
}

#[test]
fn what_comes_with_the_last_of_a_handshake_is_heard() {
    for suite in suites() {
        let mut pair = Pair::new(suite, b"GET / HTTP/1.1");
        let mut heard = pair.server.content().to_vec();
        heard.extend(pair.hear_client(usize::MAX).unwrap());
        assert_eq!(heard, b"GET / HTTP/1.1", "{suite:?}");
    }
}

#[test]
fn keys_are_renewed_when_a_client_does_and_wishes_it() {
    for suite in suites().into_iter().filter(|&suite| is_1_3(suite)) {
        let mut pair = Pair::new(suite, b"");
        for round in 0..100 {
            pair.client.refresh_traffic_keys().unwrap();
            assert_eq!(pair.hear_client(1 + round).unwrap(), b"");
            assert!(!pair.server.unsent().is_empty(), "it is answered");
            pair.answer().unwrap();
            pair.converse();
        }
    }
}

#[test]
fn wishes_that_come_faster_than_answers_leave_are_answered_once() {
    let mut pair = Pair::new(suites()[0], b"");
    for _ in 0..10 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.hear_client(usize::MAX).unwrap();
    }
    let one = pair.server.unsent().len();
    assert!(one < 40, "{one} bytes");
    pair.answer().unwrap();
    pair.converse();
}

#[test]
fn a_client_that_does_nothing_but_renew_keys_is_sent_away() {
    let mut pair = Pair::new(suites()[0], b"");
    let rounds = (0..100).take_while(|_| {
        pair.client.refresh_traffic_keys().unwrap();
        pair.hear_client(usize::MAX).is_ok()
    });
    assert_eq!(rounds.count(), 32);
}

#[test]
fn a_worn_key_is_renewed_or_is_the_end() {
    for suite in suites() {
        let mut pair = Pair::new(suite, b"");
        for records in [1, 2, 7] {
            pair.server.sealer.wear_after(records);
            if is_1_3(suite) {
                let said = content(200_000, 1);
                assert!(pair.tell_client(&[IoSlice::new(&said)], 140_000) == said);
                pair.converse();
                continue;
            }
            for _ in 0..records {
                pair.tell_client(&[IoSlice::new(b"still")], 1000);
            }
            pair.server.prepare().unwrap();
            pair.answer().unwrap();
            let worn = pair.server.seal(&[IoSlice::new(b"more")], 0, &mut [0; 100]);
            assert_eq!(worn.unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(pair.client.reader().read(&mut [0]).unwrap(), 0, "a goodbye");
            break;
        }
    }
}

#[test]
fn goodbyes_are_heard_and_said() {
    for suite in suites() {
        let mut pair = Pair::new(suite, b"");
        pair.client.writer().write_all(b"last words").unwrap();
        pair.client.send_close_notify();
        assert_eq!(pair.hear_client(usize::MAX).unwrap(), b"last words");
        assert!(pair.server.has_ended());
        // Our direction is still open.
        if is_1_3(suite) {
            assert_eq!(pair.tell_client(&[IoSlice::new(b"ours")], 1000), b"ours");
        }
        pair.server.close();
        pair.answer().unwrap();
        assert_eq!(pair.client.reader().read(&mut [0]).unwrap(), 0);
        assert!(
            pair.server
                .seal(&[IoSlice::new(b"x")], 0, &mut [0; 100])
                .is_err()
        );
    }
}

#[test]
fn a_record_that_is_not_its_own_is_refused() {
    for suite in suites() {
        let mut pair = Pair::new(suite, b"");
        pair.client.writer().write_all(b"true words").unwrap();
        let mut sent = Vec::new();
        pair.client.write_tls(&mut sent).unwrap();
        sent[20] ^= 1;
        let refused = pair.server.receive(&mut sent, &mut [0; 100]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
        let told = pair.answer().unwrap_err();
        assert_eq!(told, Error::AlertReceived(AlertDescription::BadRecordMac));
    }
}

#[test]
fn no_byte_of_a_record_can_be_another() {
    let all = 60;
    for suite in suites() {
        for place in 0..all {
            let mut pair = Pair::new(suite, b"");
            pair.client.writer().write_all(b"true words").unwrap();
            let mut sent = Vec::new();
            pair.client.write_tls(&mut sent).unwrap();
            assert!(sent.len() <= all);
            let Some(byte) = sent.get_mut(place) else {
                break;
            };
            *byte ^= 1 << (place % 8);
            let mut buffer = [0; 100];
            // One that is said to be longer is waited for.
            let heard = pair.server.receive(&mut sent, &mut buffer);
            assert!(matches!(heard, Err(_) | Ok(0)), "{suite:?}, byte {place}");
            assert_eq!(buffer, [0; 100]);
        }
    }
}

#[test]
fn a_record_that_comes_again_or_too_early_is_refused() {
    for suite in suites() {
        let mut pair = Pair::new(suite, b"");
        let mut records = Vec::new();
        for said in [b"one", b"two"] {
            pair.client.writer().write_all(said).unwrap();
            let mut record = Vec::new();
            pair.client.write_tls(&mut record).unwrap();
            records.push(record);
        }
        let mut first = records[0].clone();
        assert_eq!(pair.server.receive(&mut first, &mut [0; 100]).unwrap(), 3);
        assert!(pair.server.receive(&mut records[0], &mut [0; 100]).is_err());

        let mut pair = Pair::new(suite, b"");
        pair.client.writer().write_all(b"one").unwrap();
        pair.client.write_tls(&mut io::sink()).unwrap();
        pair.client.writer().write_all(b"two").unwrap();
        assert!(pair.hear_client(usize::MAX).is_err());
    }
}

#[test]
fn what_is_no_record_is_refused() {
    for suite in suites() {
        let wrong: [&[u8]; 4] = [
            b"GET / HTTP/1.1\r\n\r\n",
            &[23, 3, 3, 0xff, 0xff],
            &[23, 3, 3, 0, 3, 1, 2, 3],
            &[21, 3, 3, 0, 2, 1, 0],
        ];
        for wrong in wrong {
            let mut pair = Pair::new(suite, b"");
            assert!(
                pair.server
                    .receive(&mut wrong.to_vec(), &mut [0; 100])
                    .is_err()
            );
            assert!(pair.server.has_ended());
            assert!(!pair.server.unsent().is_empty(), "it is told why");
        }
    }
}
