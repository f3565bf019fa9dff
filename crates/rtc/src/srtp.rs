//! Encryption of what one session sends: SRTP and SRTCP, RFC 3711 and RFC 7714, in place at the end of a buffer.
//!
//! Invariant: a nonce is used once. RTP's is made of the packet's own number, which its sender counts without a gap or a
//! return; RTCP's is counted here.

use crate::keys::Keys;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use str0m::crypto::dtls::SrtpProfile;

/// The tag of AES-GCM.
const TAG_BYTES: usize = 16;

/// The salt of AES-CM. Those of AES-GCM are shorter.
const SALT_BYTES: usize = 14;

/// The tag of HMAC-SHA1, cut short.
const SHORT_TAG_BYTES: usize = 10;

/// What comes before the encrypted part of RTCP.
const RTCP_HEAD_BYTES: usize = 8;

/// Numbers of RTCP packets are below this.
const RTCP_INDEX_END: u32 = 1 << 31;

/// Encrypts what one session sends.
pub(crate) struct Seal {
    rtp: Cipher,
    rtcp: Cipher,
    rtcp_index: u32,
}

/// The keys of one of the two protocols.
enum Cipher {
    Gcm {
        key: Box<LessSafeKey>,
        salt: [u8; 12],
    },
    Cm(Box<CounterMode>),
}

/// Encryption with AES in counter mode, and a signature beside it.
struct CounterMode {
    key: EncryptingKey,
    salt: [u8; SALT_BYTES],
    tag: hmac::Key,
}

/// What is wrong with keys that nothing can be encrypted with.
#[derive(Debug)]
pub(crate) struct Unusable;

impl From<aws_lc_rs::error::Unspecified> for Unusable {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self
    }
}

impl Seal {
    /// Of what a handshake agreed on.
    pub(crate) fn new(keys: &Keys) -> Result<Self, Unusable> {
        let (key_bytes, salt_bytes) = match keys.profile {
            SrtpProfile::AES128_CM_SHA1_80 => (16, SALT_BYTES),
            SrtpProfile::AEAD_AES_128_GCM => (16, 12),
            SrtpProfile::AEAD_AES_256_GCM => (32, 12),
            _ => return Err(Unusable),
        };
        if keys.material.len() < 2 * (key_bytes + salt_bytes) {
            return Err(Unusable);
        }
        let (masters, salts) = keys.material.split_at(2 * key_bytes);
        let side = usize::from(!keys.client);
        let master = &masters[side * key_bytes..][..key_bytes];
        let salt = &salts[side * salt_bytes..][..salt_bytes];
        Ok(Self {
            rtp: Cipher::new(keys.profile, master, salt, 0)?,
            rtcp: Cipher::new(keys.profile, master, salt, 3)?,
            rtcp_index: 0,
        })
    }

    /// What encryption adds to a packet of RTP.
    pub(crate) fn tag_bytes(&self) -> usize {
        match &self.rtp {
            Cipher::Gcm { .. } => TAG_BYTES,
            Cipher::Cm(_) => SHORT_TAG_BYTES,
        }
    }

    /// Encrypts the RTP packet that begins at `from` and ends with the buffer, whose payload begins `head` bytes later.
    /// `number` is the packet's, with the times that it began anew in the bits above the lower 16.
    pub(crate) fn rtp(
        &self,
        buffer: &mut Vec<u8>,
        from: usize,
        head: usize,
        ssrc: u32,
        number: u64,
    ) -> Result<(), Unusable> {
        match &self.rtp {
            Cipher::Gcm { key, salt } => {
                let mut nonce = [0; 12];
                nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
                nonce[6..].copy_from_slice(&number.to_be_bytes()[2..]);
                let (head, body) = buffer[from..].split_at_mut(head);
                let tag = key.seal_in_place_separate_tag(
                    Nonce::assume_unique_for_key(salted(nonce, *salt)),
                    Aad::from(&*head),
                    body,
                )?;
                buffer.extend_from_slice(tag.as_ref());
            }
            Cipher::Cm(mode) => {
                mode.encrypt(ssrc, number, &mut buffer[from + head..])?;
                let mut signed = hmac::Context::with_key(&mode.tag);
                signed.update(&buffer[from..]);
                signed.update(&number.to_be_bytes()[2..6]);
                buffer.extend_from_slice(&signed.sign().as_ref()[..SHORT_TAG_BYTES]);
            }
        }
        Ok(())
    }

    /// Encrypts a compound RTCP packet.
    pub(crate) fn rtcp(&mut self, packet: &mut Vec<u8>, ssrc: u32) -> Result<(), Unusable> {
        let index = self.rtcp_index;
        self.rtcp_index = (index + 1) % RTCP_INDEX_END;
        let marked = (index | RTCP_INDEX_END).to_be_bytes();
        match &self.rtcp {
            Cipher::Gcm { key, salt } => {
                let mut nonce = [0; 12];
                nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
                nonce[8..].copy_from_slice(&index.to_be_bytes());
                let (head, body) = packet.split_at_mut(RTCP_HEAD_BYTES);
                let aad = [&*head, &marked].concat();
                let tag = key.seal_in_place_separate_tag(
                    Nonce::assume_unique_for_key(salted(nonce, *salt)),
                    Aad::from(&aad),
                    body,
                )?;
                packet.extend_from_slice(tag.as_ref());
                packet.extend_from_slice(&marked);
            }
            Cipher::Cm(mode) => {
                let body = &mut packet[RTCP_HEAD_BYTES..];
                mode.encrypt(ssrc, u64::from(index), body)?;
                packet.extend_from_slice(&marked);
                let signed = hmac::sign(&mode.tag, packet);
                packet.extend_from_slice(&signed.as_ref()[..SHORT_TAG_BYTES]);
            }
        }
        Ok(())
    }
}

impl Cipher {
    /// RTP's keys have the labels from 0 on, RTCP's from 3.
    fn new(
        profile: SrtpProfile,
        master: &[u8],
        master_salt: &[u8],
        labels: u8,
    ) -> Result<Self, Unusable> {
        let mut key = [0; 32];
        let key = &mut key[..master.len()];
        derive(master, master_salt, labels, key)?;
        let gcm = |algorithm: &'static Algorithm, key: &[u8]| {
            let mut salt = [0; 12];
            derive(master, master_salt, labels + 2, &mut salt)?;
            let key = Box::new(LessSafeKey::new(UnboundKey::new(algorithm, key)?));
            Ok(Self::Gcm { key, salt })
        };
        match profile {
            SrtpProfile::AEAD_AES_128_GCM => gcm(&AES_128_GCM, key),
            SrtpProfile::AEAD_AES_256_GCM => gcm(&AES_256_GCM, key),
            _ => {
                let (mut tag, mut salt) = ([0; 20], [0; SALT_BYTES]);
                derive(master, master_salt, labels + 1, &mut tag)?;
                derive(master, master_salt, labels + 2, &mut salt)?;
                Ok(Self::Cm(Box::new(CounterMode {
                    key: EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key)?)?,
                    salt,
                    tag: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &tag),
                })))
            }
        }
    }
}

/// RFC 3711, 4.3: a key of the session, of its master key.
fn derive(
    master: &[u8],
    master_salt: &[u8],
    label: u8,
    derived: &mut [u8],
) -> Result<(), Unusable> {
    let algorithm = if master.len() == 32 {
        &AES_256
    } else {
        &AES_128
    };
    let key = EncryptingKey::ctr(UnboundCipherKey::new(algorithm, master)?)?;
    let mut counter = [0; 16];
    counter[..master_salt.len()].copy_from_slice(master_salt);
    counter[7] ^= label;
    derived.fill(0);
    key.less_safe_encrypt(
        derived,
        EncryptionContext::Iv128(FixedLength::from(&counter)),
    )?;
    Ok(())
}

impl CounterMode {
    /// RFC 3711, 4.1.1.
    fn encrypt(&self, ssrc: u32, number: u64, body: &mut [u8]) -> Result<(), Unusable> {
        let mut counter = [0; 16];
        counter[..SALT_BYTES].copy_from_slice(&self.salt);
        let mixed = counter[4..8].iter_mut().zip(ssrc.to_be_bytes());
        mixed.for_each(|(byte, ssrc)| *byte ^= ssrc);
        let mixed = counter[6..14].iter_mut().zip(number.to_be_bytes());
        mixed.for_each(|(byte, number)| *byte ^= number);
        let counter = EncryptionContext::Iv128(FixedLength::from(&counter));
        self.key.less_safe_encrypt(body, counter)?;
        Ok(())
    }
}

fn salted(mut nonce: [u8; 12], salt: [u8; 12]) -> [u8; 12] {
    let mixed = nonce.iter_mut().zip(salt);
    mixed.for_each(|(byte, salt)| *byte ^= salt);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits
            .chunks_exact(2)
            .map(|pair| byte(pair).unwrap())
            .collect()
    }

    #[test]
    fn keys_are_derived_as_in_rfc_3711_b_3() {
        let master = bytes("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = bytes("0EC675AD498AFEEBB6960B3AABE6");
        let derived = |label, length| {
            let mut derived = vec![0; length];
            derive(&master, &salt, label, &mut derived).unwrap();
            derived
        };
        assert_eq!(derived(0, 16), bytes("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(
            derived(1, 20),
            bytes("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
        );
        assert_eq!(derived(2, 14), bytes("30CBBC08863D8C85D49DB34A9AE1"));
    }

    /// RFC 7714, 16 and 17: keys, salt and packets.
    fn rfc_7714() -> Seal {
        let cipher = || Cipher::Gcm {
            key: Box::new(LessSafeKey::new(
                UnboundKey::new(&AES_128_GCM, &bytes("000102030405060708090a0b0c0d0e0f")).unwrap(),
            )),
            salt: bytes("517569642070726f2071756f").try_into().unwrap(),
        };
        Seal {
            rtp: cipher(),
            rtcp: cipher(),
            rtcp_index: 0x5d4,
        }
    }

    #[test]
    fn rtp_is_encrypted_as_in_rfc_7714_16_1_1() {
        let mut packet = bytes(
            "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465
             73207472 6573",
        );
        rfc_7714()
            .rtp(&mut packet, 0, 12, 0x5501_a0b2, 0xf17b)
            .unwrap();
        let expected = "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a
             51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
        assert_eq!(packet, bytes(expected));
    }

    #[test]
    fn rtcp_is_encrypted_as_in_rfc_7714_17_1() {
        let mut packet = bytes(
            "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef
             deadbeef deadbeef",
        );
        let mut seal = rfc_7714();
        seal.rtcp(&mut packet, 0x4d61_7273).unwrap();
        let expected = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda
             4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4";
        assert_eq!(packet, bytes(expected));
        assert_eq!(seal.rtcp_index, 0x5d5, "an index is used once");
    }

    #[test]
    fn counter_mode_is_as_in_rfc_3711_b_2() {
        let key = UnboundCipherKey::new(&AES_128, &bytes("2B7E151628AED2A6ABF7158809CF4F3C"));
        let mode = CounterMode {
            key: EncryptingKey::ctr(key.unwrap()).unwrap(),
            salt: bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap(),
            tag: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[0; 20]),
        };
        let mut stream = [0; 32];
        mode.encrypt(0, 0, &mut stream).unwrap();
        let expected = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB";
        assert_eq!(stream, bytes(expected)[..]);
    }

    #[test]
    fn each_side_encrypts_with_its_own_half_of_the_keys() {
        let of = |client| Keys {
            profile: SrtpProfile::AES128_CM_SHA1_80,
            material: (0..60).collect(),
            client,
        };
        let sealed = |client| {
            let mut packet = vec![0x80; 40];
            let seal = Seal::new(&of(client)).unwrap();
            seal.rtp(&mut packet, 0, 12, 7, (3 << 16) | 9).unwrap();
            packet
        };
        let (ours, theirs) = (sealed(true), sealed(false));
        assert_eq!(ours.len(), 40 + SHORT_TAG_BYTES);
        assert_ne!(ours, theirs);
        let short = Keys {
            material: vec![0; 59],
            ..of(true)
        };
        assert!(Seal::new(&short).is_err());
    }
}
