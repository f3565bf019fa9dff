//! Viewers behind narrow networks.

use crate::house::{Camera, House, Layer, PATIENCE};
use crate::network::Network;
use std::time::{Duration, Instant};
use str0m::Event;
use str0m::media::MediaKind;

/// 160 kb/s, 600 kb/s and 2.4 Mb/s at 25 frames a second.
const LAYERS: [Layer; 3] = [("l", 160, 800), ("m", 320, 3_000), ("h", 640, 12_000)];

/// What a viewer saw and heard.
#[derive(Default)]
struct Seen {
    width: Option<u16>,
    /// Changes of the layer, and how many of them came with another frame than a keyframe.
    changes: usize,
    torn: usize,
    heard: usize,
    silence: Duration,
    heard_at: Option<Instant>,
}

impl Seen {
    fn take(&mut self, event: Event) {
        let Event::MediaData(data) = event else {
            return;
        };
        let now = Instant::now();
        if data.params.spec().codec.kind() == MediaKind::Audio {
            self.heard += 1;
            if let Some(before) = self.heard_at.replace(now) {
                self.silence = self.silence.max(now - before);
            }
            return;
        }
        let width = u16::from_le_bytes([data.data[10], data.data[11]]);
        if self.width.is_some_and(|before| before != width) {
            self.changes += 1;
            self.torn += usize::from(!data.is_keyframe());
        }
        self.width = Some(width);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_is_given_the_layer_that_its_network_carries_and_sound_all_along() {
    let mut network = None;
    let house = House::open(|server| {
        let new = Network::new(server, 20_000_000, Duration::from_millis(10));
        let address = new.address;
        network = Some(new);
        address
    });
    let network = network.unwrap();
    let (publisher, publishing) = house.publish(&["l", "m", "h"]);
    let _camera = Camera::new(publisher, &LAYERS);
    publishing.flowing().await;
    let mut layers = house.channel.layers();
    let until = Instant::now() + PATIENCE;
    while layers
        .iter()
        .filter(|layer| layer.bits_per_second > 0)
        .count()
        < 3
    {
        assert!(Instant::now() < until, "three layers flow: {layers:?}");
        tokio::task::yield_now().await;
        layers = house.channel.layers();
    }
    assert_eq!(
        house.channel.tracks().len(),
        2,
        "other doors have one picture"
    );

    let mut viewer = house.watch(network.address);
    let (seen, narrow, wide) = tokio::task::spawn_blocking(move || {
        let mut seen = Seen::default();
        let until = |viewer: &mut crate::peer::Peer, seen: &mut Seen, wanted: u16| {
            let end = Instant::now() + PATIENCE;
            while seen.width != Some(wanted) && Instant::now() < end {
                let next = Instant::now() + Duration::from_millis(20);
                viewer.run(next, &mut |event| seen.take(event));
            }
            (seen.width, Instant::now())
        };
        let first = until(&mut viewer, &mut seen, 640);
        assert_eq!(first.0, Some(640), "the best where there is room");
        network.set_rate(1_500_000);
        let begun = Instant::now();
        let narrow = until(&mut viewer, &mut seen, 320);
        assert_eq!(narrow.0, Some(320));
        // It stays for a while: what follows is no chance.
        let settled = Instant::now() + Duration::from_secs(2);
        viewer.run(settled, &mut |event| seen.take(event));
        network.set_rate(20_000_000);
        let widened = Instant::now();
        let wide = until(&mut viewer, &mut seen, 640);
        assert_eq!(wide.0, Some(640), "and up again");
        (seen, narrow.1 - begun, wide.1 - widened)
    })
    .await
    .unwrap();
    println!(
        "down after {narrow:?}, up after {wide:?}, {} changes, longest silence {:?}",
        seen.changes, seen.silence
    );
    assert_eq!(seen.torn, 0, "a layer changes with a keyframe");
    assert!(seen.heard > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_goes_on_where_not_all_pictures_fit() {
    let mut network = None;
    let house = House::open(|server| {
        let new = Network::new(server, 1_000_000, Duration::from_millis(10));
        let address = new.address;
        network = Some(new);
        address
    });
    let network = network.unwrap();
    let (publisher, publishing) = house.publish(&[]);
    let _camera = Camera::new(publisher, &LAYERS[2..]);
    publishing.flowing().await;
    let mut viewer = house.watch(network.address);
    let (heard, pictures) = tokio::task::spawn_blocking(move || {
        let mut seen = Seen::default();
        // Reports come once a second.
        let settled = Instant::now() + Duration::from_secs(6);
        viewer.run(settled, &mut |event| seen.take(event));
        let (mut heard, mut pictures) = (0, 0);
        let end = Instant::now() + Duration::from_secs(4);
        viewer.run(end, &mut |event| {
            if let Event::MediaData(data) = event {
                match data.params.spec().codec.kind() {
                    MediaKind::Audio => heard += 1,
                    MediaKind::Video => pictures += 1,
                }
            }
        });
        (heard, pictures)
    })
    .await
    .unwrap();
    println!("{heard} of 200 packets of sound, {pictures} of 100 pictures");
    assert!(heard > 150, "{heard} of 200 packets of sound");
    assert!((1..80).contains(&pictures), "{pictures} of 100 pictures");
}
