//! Formats: made only while somebody watches them, of the codecs that they can carry.

use super::{PICTURE, Publisher, channel, packets, short};
use crate::Format;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_format_is_made_only_while_it_is_watched() {
    let channel = channel();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    assert_eq!(channel.watching(), 0);
    let one = channel.watch(Format::WebM).unwrap();
    let other = channel.watch(Format::WebM).unwrap();
    assert_eq!(channel.watching(), 2);
    assert!(channel.lock().has_packager(Format::WebM));
    drop((one, other));
    assert!(!channel.lock().has_packager(Format::WebM));
    assert_eq!(channel.watching(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_format_that_cannot_carry_the_codec_says_so_and_what_can() {
    let channel = channel();
    let mut early = channel.watch(Format::Mp4).unwrap();
    let mut publisher = Publisher::new(&channel);
    publisher.video(0, true);
    let refused = channel.watch(Format::Mp4).err().unwrap().to_string();
    assert_eq!(
        refused,
        "this stream is VP8, which cannot travel in MP4; it can be had as .webm or at the watch page"
    );
    assert_eq!(short(&mut early), "!.");
    assert!(channel.watch(Format::Mjpeg).is_err());
    assert!(channel.watch(Format::WebM).is_ok());
}

#[tokio::test(start_paused = true)]
async fn pictures_are_stills_and_parts_of_a_multipart_body() {
    let channel = channel();
    let mut encoder = channel.encoder();
    assert_eq!(channel.still(), None);
    encoder.picture(PICTURE.into(), 0).unwrap();
    tokio::time::advance(Duration::from_millis(40)).await;
    encoder.picture(PICTURE.into(), 0).unwrap();
    assert_eq!(channel.still().as_deref(), Some(PICTURE));
    let mut watching = channel.watch(Format::Mjpeg).unwrap();
    let body: Vec<u8> = packets(&mut watching)
        .iter()
        .flat_map(|packet| packet.joined())
        .collect();
    let expected = [
        b"--abanico\r\nContent-Type: image/jpeg\r\nContent-Length: 23\r\n\r\n",
        PICTURE,
        b"\r\n--abanico\r\n",
    ]
    .concat();
    assert_eq!(body, expected);
    assert!(channel.watch(Format::WebM).is_err());
}
