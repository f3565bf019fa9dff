//! Packets of each kind, packets that are none, and bytes from a hostile client.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    attachments_max: 3,
    bytes_max: 10_000,
};

fn decode(text: &str) -> Result<(Packet, usize), PacketError> {
    Packet::decode(&ByteString::from(text), LIMITS.attachments_max)
}

fn refusal_of(text: &str) -> PacketError {
    decode(text).unwrap_err()
}

#[test]
fn connect_may_bring_an_object() {
    let (packet, due) = decode("0").unwrap();
    assert_eq!((&*packet.namespace, due), ("/", 0));
    assert_eq!(packet.body, Body::Connect { auth: None });
    let (packet, _) = decode("0/admin,{\"token\":1}").unwrap();
    assert_eq!(&*packet.namespace, "/admin");
    assert_eq!(
        packet.body,
        Body::Connect {
            auth: Some("{\"token\":1}".into())
        }
    );
    assert_eq!(&*decode("0/admin").unwrap().0.namespace, "/admin");
    assert_eq!(refusal_of("0[]"), PacketError::Payload);
    assert_eq!(refusal_of("0{"), PacketError::Payload);
    assert_eq!(refusal_of("01{}"), PacketError::Id);
}

#[test]
fn an_event_is_cut_into_its_arguments() {
    let (packet, _) = decode("2/a,12[\"say\", {\"x\":[1, 2]} ,\"é\",null]").unwrap();
    let Body::Event { name, args, id } = packet.body else {
        panic!("an event")
    };
    assert_eq!((&*name, id, args.len()), ("say", Some(12), 4));
    assert_eq!(args.item(1), Some("{\"x\":[1, 2]}"));
    assert_eq!(args.item(2), Some("\"é\""));
    assert_eq!(args.items_from(2), "\"é\",null");
    assert_eq!(args.items_from(4), "");
}

#[test]
fn names_may_be_escaped_or_numbers_but_not_reserved() {
    let name_of = |text: &str| match decode(text).unwrap().0.body {
        Body::Event { name, .. } => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(&*name_of("2[\"\\u0061\\n\"]"), "a\n");
    assert_eq!(&*name_of("2[7,1]"), "7");
    for name in [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    ] {
        assert_eq!(refusal_of(&format!("2[\"{name}\"]")), PacketError::Name);
    }
    assert_eq!(refusal_of("2[\"\\u0063onnect\"]"), PacketError::Name);
    assert_eq!(refusal_of("2[]"), PacketError::Name);
    assert_eq!(refusal_of("2[{}]"), PacketError::Name);
}

#[test]
fn what_is_no_packet_is_refused() {
    assert_eq!(refusal_of(""), PacketError::Type);
    assert_eq!(refusal_of("abc"), PacketError::Type);
    assert_eq!(refusal_of("é"), PacketError::Type);
    assert_eq!(refusal_of("4{}"), PacketError::Type);
    assert_eq!(refusal_of("1{}"), PacketError::Payload);
    assert_eq!(refusal_of("2{}"), PacketError::Payload);
    assert_eq!(refusal_of("2"), PacketError::Payload);
    assert_eq!(refusal_of("2abc[\"x\"]"), PacketError::Payload);
    assert_eq!(refusal_of("2[\"x\"]tail"), PacketError::Payload);
    assert_eq!(refusal_of("299999999999999999999[\"x\"]"), PacketError::Id);
    assert_eq!(refusal_of("3[1]"), PacketError::Id);
    assert_eq!(refusal_of("5[\"x\"]"), PacketError::Attachments);
    assert_eq!(refusal_of("5+1-[\"x\"]"), PacketError::Attachments);
    assert_eq!(
        refusal_of("54-[\"x\"]"),
        PacketError::TooManyAttachments { max: 3 }
    );
}

#[test]
fn attachments_are_gathered_before_the_packet_is_whole() {
    let mut assembler = Assembler::new(LIMITS);
    let text = "52-7[\"x\",{\"_placeholder\":true,\"num\":1}]";
    assert_eq!(assembler.text(&text.into()), Ok(None));
    assert_eq!(assembler.bytes(Bytes::from_static(b"a")), Ok(None));
    let packet = assembler.bytes(Bytes::from_static(b"b")).unwrap().unwrap();
    let Body::Event { args, id, .. } = packet.body else {
        panic!("an event")
    };
    assert_eq!(id, Some(7));
    assert_eq!(args.attachments(), [&b"a"[..], &b"b"[..]]);
    assert_eq!(assembler.bytes(Bytes::new()), Err(PacketError::StrayBytes));
    assert_eq!(assembler.text(&"51-[\"x\"]".into()), Ok(None));
    assert_eq!(
        assembler.text(&"2[\"x\"]".into()),
        Err(PacketError::AttachmentDue)
    );
}

#[test]
fn an_announcement_of_no_attachments_is_whole_at_once() {
    let mut assembler = Assembler::new(LIMITS);
    assert!(assembler.text(&"50-[\"x\"]".into()).unwrap().is_some());
}

#[test]
fn text_and_attachments_count_together_against_the_bound() {
    let mut assembler = Assembler::new(Limits {
        attachments_max: 2,
        bytes_max: 100,
    });
    assert_eq!(assembler.text(&"51-[\"x\"]".into()), Ok(None));
    let refusal = assembler.bytes(vec![0; 93].into()).unwrap_err();
    assert_eq!(refusal, PacketError::TooLarge { max: 100 });
}

#[test]
fn a_list_of_too_many_items_is_refused() {
    let list = |items: usize| format!("2[\"x\"{}]", ",1".repeat(items - 1));
    assert!(decode(&list(1000)).is_ok());
    assert_eq!(refusal_of(&list(1001)), PacketError::Payload);
}

#[test]
fn json_that_is_nested_too_deep_is_refused_without_recursion() {
    let nested = |kind: &str, depth: usize| {
        let (open, close) = if depth.is_multiple_of(2) {
            ("[", "]")
        } else {
            ("{\"a\":", "}")
        };
        format!("{kind}{}1{}", open.repeat(depth), close.repeat(depth))
    };
    let too_deep = PacketError::TooDeep { max: DEPTH_MAX };
    for depth in [DEPTH_MAX + 1, DEPTH_MAX + 2, 20_000, 20_001] {
        assert_eq!(
            refusal_of(&format!("2[\"x\",{}]", nested("", depth))),
            too_deep
        );
        assert_eq!(refusal_of(&nested("0", depth)), too_deep);
    }
    // The list of the arguments counts, and what stands in a string does not.
    for fine in [
        nested("2[\"x\",", DEPTH_MAX - 1) + "]",
        format!("2[\"x\",\"\\\"{}\\\\\",[\"{{\"]]", "[".repeat(20_000)),
    ] {
        assert_eq!(decode(&fine).map(|_| ()), Ok(()), "{fine}");
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        "\\PC*".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop::collection::vec(inner, 0..5).prop_map(serde_json::Value::from)
    })
}

proptest! {
    #[test]
    fn a_written_event_is_read_again(
        name in "[a-z:]{1,20}",
        namespace in prop_oneof![Just("/".to_owned()), "/[a-z]{1,9}"],
        id in any::<Option<u64>>(),
        values in prop::collection::vec(json(), 0..4),
        attachments in 0usize..3,
    ) {
        prop_assume!(!is_reserved(&name));
        let mut buffer = Vec::new();
        let head = Head { kind: Head::EVENT, namespace: &namespace, id, attachments };
        head.write(&mut buffer);
        let mut list = vec![serde_json::Value::from(name.clone())];
        list.extend(values.clone());
        buffer.extend(serde_json::to_vec(&list).unwrap());
        let text = String::from_utf8(buffer).unwrap();
        let (packet, due) = decode(&text[1..]).unwrap();
        prop_assert_eq!(due, attachments);
        prop_assert_eq!(&*packet.namespace, &*namespace);
        let Body::Event { name: read_name, args, id: read_id } = packet.body else { panic!("an event") };
        prop_assert_eq!(&*read_name, &*name);
        prop_assert_eq!(read_id, id);
        for (at, value) in values.iter().enumerate() {
            let read: serde_json::Value = serde_json::from_str(args.item(at + 1).unwrap()).unwrap();
            prop_assert_eq!(&read, value);
        }
    }

    #[test]
    fn hostile_messages_never_panic(messages in prop::collection::vec(("[0-6]{0,2}[-/,]?[0-9]{0,3}\\PC{0,40}", any::<bool>()), 0..8)) {
        let mut assembler = Assembler::new(LIMITS);
        for (message, is_text) in messages {
            let result = if is_text {
                assembler.text(&message.into())
            } else {
                assembler.bytes(message.into_bytes().into())
            };
            if result.is_err() {
                break;
            }
        }
    }
}

#[test]
fn most_of_a_text_is_shared_and_a_little_of_it_is_copied() {
    let list = format!(r#"["name",{{"data":"{}","n":17}}]"#, "x".repeat(100));
    let args = Args::parse(ByteString::from(list)).unwrap();
    let range = args.text.as_bytes().as_ptr_range();
    for (part, is_shared) in [("x".repeat(100), true), ("17".to_owned(), false)] {
        let at = args.text.find(&part).unwrap();
        let shared = args.share(&args.text[at..at + part.len()]);
        assert_eq!(shared, part);
        assert_eq!(
            range.contains(&shared.as_bytes().as_ptr()),
            is_shared,
            "{part}"
        );
    }
}
