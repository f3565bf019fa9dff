//! Frames cut anywhere, frames that break each rule, and bytes that are no frames at all.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    message_bytes_max: 1000,
    fragments_max: 4,
};

fn client_frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(
        payload
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ mask[at % 4]),
    );
    frame
}

fn decode_all(limits: Limits, pieces: &[&[u8]]) -> Result<Vec<Incoming>, FrameError> {
    let mut decoder = Decoder::new(limits);
    let mut incoming = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        while let Some(one) = decoder.decode(&mut input)? {
            incoming.push(one);
        }
        assert!(input.is_empty());
    }
    Ok(incoming)
}

fn refusal_of(bytes: &[u8]) -> FrameError {
    decode_all(LIMITS, &[bytes]).unwrap_err()
}

#[test]
fn text_and_binary_come_out_unmasked() {
    let mut bytes = client_frame(0x81, "hé".as_bytes(), [1, 2, 3, 4]);
    bytes.extend(client_frame(0x82, &[7; 130], [9, 8, 7, 6]));
    assert_eq!(
        decode_all(LIMITS, &[&bytes]).unwrap(),
        [
            Incoming::Text("hé".into()),
            Incoming::Binary(vec![7; 130].into())
        ]
    );
}

#[test]
fn control_frames_come_between_the_fragments_of_a_message() {
    let mut bytes = client_frame(0x01, b"one ", [1, 2, 3, 4]);
    bytes.extend(client_frame(0x89, b"hi", [5, 5, 5, 5]));
    bytes.extend(client_frame(0x80, b"two", [4, 3, 2, 1]));
    assert_eq!(
        decode_all(LIMITS, &[&bytes]).unwrap(),
        [
            Incoming::Ping(Bytes::from_static(b"hi")),
            Incoming::Text("one two".into())
        ]
    );
}

#[test]
fn a_character_may_be_cut_by_fragments() {
    let mut bytes = client_frame(0x01, &"é".as_bytes()[..1], [0; 4]);
    bytes.extend(client_frame(0x80, &"é".as_bytes()[1..], [0; 4]));
    assert_eq!(
        decode_all(LIMITS, &[&bytes]).unwrap(),
        [Incoming::Text("é".into())]
    );
}

#[test]
fn each_broken_rule_has_its_refusal_and_close_code() {
    let mask = [1, 2, 3, 4];
    assert_eq!(refusal_of(&[0x81, 0x01, b'x']), FrameError::Unmasked);
    assert_eq!(
        refusal_of(&client_frame(0xc1, b"x", mask)),
        FrameError::ReservedBits
    );
    assert_eq!(
        refusal_of(&client_frame(0x83, b"x", mask)),
        FrameError::Opcode(3)
    );
    assert_eq!(
        refusal_of(&client_frame(0x09, b"x", mask)),
        FrameError::FragmentedControl
    );
    assert_eq!(
        refusal_of(&client_frame(0x89, &[0; 126], mask)),
        FrameError::LongControl(126)
    );
    assert_eq!(
        refusal_of(&client_frame(0x80, b"x", mask)),
        FrameError::StrayContinuation
    );
    assert_eq!(
        refusal_of(&client_frame(0x88, b"x", mask)),
        FrameError::Close
    );
    assert_eq!(
        refusal_of(&client_frame(0x88, &1005u16.to_be_bytes(), mask)),
        FrameError::Close
    );
    assert_eq!(
        refusal_of(&client_frame(0x81, &[0xff], mask)),
        FrameError::Utf8
    );
    let begun = client_frame(0x01, b"x", mask);
    assert_eq!(
        refusal_of(&[&begun[..], &begun[..]].concat()),
        FrameError::Interleaved
    );
    assert_eq!(FrameError::Unmasked.close_code(), 1002);
    assert_eq!(FrameError::Utf8.close_code(), 1007);
    assert_eq!(FrameError::TooLarge { max: 1 }.close_code(), 1009);
    assert_eq!(FrameError::TooManyFragments { max: 1 }.close_code(), 1008);
}

#[test]
fn a_message_at_the_bound_passes_and_one_byte_more_is_refused_from_the_header() {
    let whole = client_frame(0x82, &[5; 1000], [1, 2, 3, 4]);
    assert_eq!(decode_all(LIMITS, &[&whole]).unwrap().len(), 1);
    let header = &client_frame(0x82, &[5; 1001], [1, 2, 3, 4])[..8];
    assert_eq!(refusal_of(header), FrameError::TooLarge { max: 1000 });
    let fragments = [
        client_frame(0x02, &[5; 600], [1, 2, 3, 4]),
        client_frame(0x80, &[5; 401], [1, 2, 3, 4])[..8].to_vec(),
    ];
    assert_eq!(
        refusal_of(&fragments.concat()),
        FrameError::TooLarge { max: 1000 }
    );
}

#[test]
fn too_many_fragments_are_refused() {
    let mut bytes = client_frame(0x02, b"", [0; 4]);
    for _ in 0..4 {
        bytes.extend(client_frame(0x00, b"", [0; 4]));
    }
    assert_eq!(refusal_of(&bytes), FrameError::TooManyFragments { max: 4 });
}

#[test]
fn announcing_much_reserves_little() {
    let mut decoder = Decoder::new(Limits {
        message_bytes_max: 1 << 30,
        fragments_max: 1,
    });
    let mut header = vec![0x82, 0x80 | 127];
    header.extend((1u64 << 29).to_be_bytes());
    header.extend([0; 4]);
    header.extend([1; 10]);
    assert_eq!(decoder.decode(&mut &header[..]), Ok(None));
    assert!(decoder.message.unwrap().payload.capacity() <= GROW_BYTES);
}

#[test]
fn server_headers_are_of_the_shortest_form() {
    for (len, size) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
        assert_eq!(header(Outgoing::Text, len).1, size);
    }
    assert_eq!(&small(Outgoing::Pong, b"x")[..], [0x8a, 1, b'x']);
    assert_eq!(
        &close(1009, "big")[..],
        [0x88, 5, 0x03, 0xf1, b'b', b'i', b'g']
    );
    assert_eq!(close(1000, &"é".repeat(100)).len(), 2 + 2 + 122);
}

fn messages() -> impl Strategy<Value = Vec<(bool, Vec<Vec<u8>>, [u8; 4])>> {
    let text = "\\PC{0,150}".prop_map(|text| text.into_bytes());
    let fragments = prop::collection::vec(text, 1..4);
    prop::collection::vec((any::<bool>(), fragments, any::<[u8; 4]>()), 1..6)
}

proptest! {
    #[test]
    fn cut_anywhere_the_same_messages_come_out(
        messages in messages(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let limits = Limits { message_bytes_max: 10_000, fragments_max: 4 };
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (is_text, fragments, mask) in messages {
            let last = fragments.len() - 1;
            for (at, fragment) in fragments.iter().enumerate() {
                let opcode = match (at, is_text) { (0, true) => 1, (0, false) => 2, _ => 0 };
                let end = if at == last { 0x80 } else { 0 };
                bytes.extend(client_frame(end | opcode, fragment, mask));
            }
            let whole = fragments.concat();
            expected.push(if is_text {
                Incoming::Text(String::from_utf8(whole).unwrap().into())
            } else {
                Incoming::Binary(whole.into())
            });
        }
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode_all(limits, &pieces).unwrap(), expected);
    }

    #[test]
    fn hostile_bytes_never_panic_and_never_pass_the_bound(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        cut in any::<prop::sample::Index>(),
    ) {
        let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
        if let Ok(incoming) = decode_all(LIMITS, &[first, second]) {
            for one in incoming {
                if let Incoming::Binary(payload) = one {
                    prop_assert!(payload.len() <= 1000);
                }
            }
        }
    }
}
