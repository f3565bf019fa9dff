//! What a publisher sends: its media, and its poster.

use super::Turn;
use crate::names::{from_server, limit, text};
use crate::payload::Data;
use crate::relay::{Packet, Stamps};
use crate::room::SharedRoom;
use crate::time::Timestamp;
use crate::wire::{DataSend, ErrorObject};
use abanico_core::key::PublishToken;
use abanico_core::stream::{Event as StreamEvent, Refusal, Right};
use abanico_hub::Stream;
use abanico_media::sniff::sniff;
use abanico_socketio::Event;
use serde_json::json;
use std::time::{Duration, Instant};
use tracing::debug;

/// A poster more often than this is refused: lists do not refresh faster.
const POSTER_EVERY: Duration = Duration::from_secs(2);

impl Turn<'_> {
    pub(super) async fn data(&mut self, event: &Event, now: Instant) {
        let Some(sent) = Self::payload::<DataSend<'_>>(event) else {
            return;
        };
        let Some(room) = self.room(&sent.stream_key) else {
            return;
        };
        let Some(stream) = room.stream.get() else {
            return;
        };
        if !stream.is_publisher(self.session.id) {
            // Who sends without a right is told nothing, frame by frame.
            let token = sent.publish_token.as_deref().map(PublishToken::new);
            let Ok(right) = self.right(&room, token) else {
                return;
            };
            if !self.takes_seat(&room, stream, right).await {
                return;
            }
        }
        let data = Data::take(event, sent.data);
        let stamps = Stamps {
            received: Timestamp::now(),
            captured: sent.captured_at.and_then(millis),
        };
        let mut relay = room.relay.lock();
        let mut taken = relay.take(data, stamps, now, stream.feed().head());
        let (far, trouble) = (taken.keyframe_gap, taken.trouble.take());
        let bytes = taken.len();
        // A seat lost since it was checked is noticed here; the frame is then nobody's.
        let _ =
            stream.distribute_with(self.session.id, bytes, |feed| relay.put(feed, taken, bytes));
        drop(relay);
        if let Some(gap) = far {
            self.warn_of_keyframes(&room, gap);
        }
        if let Some(trouble) = trouble {
            debug!(
                key = %room.key,
                ?trouble,
                "a publisher sends what cannot be read"
            );
            self.warn(&room, "unreadable", &trouble.to_publisher());
            // Who waits at a door for something to begin looks again.
            room.news.send_modify(|_| ());
        }
    }

    /// Whether this session, which does not publish the stream, has taken the seat.
    async fn takes_seat(
        &mut self,
        room: &SharedRoom,
        stream: &Stream<Packet>,
        right: Right,
    ) -> bool {
        if matches!(right, Right::Seat) {
            return false;
        }
        let claimed = stream
            .handle(StreamEvent::Claim(self.session.id, right))
            .await
            .is_ok();
        if claimed {
            self.take_hosting(room);
            self.session.published.insert(room.key.clone());
        }
        claimed
    }

    /// Whether this session may publish the stream; it takes the seat, unless somebody publishes over another door.
    async fn may_publish(
        &mut self,
        room: &SharedRoom,
        stream: &Stream<Packet>,
        right: Right,
    ) -> bool {
        if stream.is_publisher(self.session.id) {
            return true;
        }
        let speaker = self.shared.speaker(stream, self.session.id, &right);
        if speaker == self.session.id {
            return self.takes_seat(room, stream, right).await;
        }
        let may = stream.handle(StreamEvent::Claim(speaker, right)).await;
        self.shared.check_speaker(stream, speaker);
        may.is_ok()
    }

    fn warn_of_keyframes(&self, room: &SharedRoom, gap: Duration) {
        let seconds = gap.as_secs_f64();
        let message = format!(
            "Los fotogramas clave llegan cada {seconds:.1} s y quien entra tiene que esperar al \
             siguiente. Remedio: con MediaRecorder, la opción videoKeyFrameIntervalDuration: 1000; \
             con ffmpeg, -g con los fotogramas de un segundo."
        );
        self.warn(room, "keyframes-far-apart", &message);
    }

    fn warn(&self, room: &SharedRoom, code: &str, message: &str) {
        let payload = json!({
            "streamKey": room.key.as_str(),
            "code": code,
            "message": message,
        });
        self.answer(from_server::STREAM_WARNING, &payload);
    }

    pub(super) async fn poster(&mut self, event: &Event, now: Instant) {
        let Some(sent) = Self::payload::<DataSend<'_>>(event) else {
            return;
        };
        let Some(room) = self.room(&sent.stream_key) else {
            return;
        };
        let Some(stream) = room.stream.get() else {
            return;
        };
        let token = sent.publish_token.as_deref().map(PublishToken::new);
        // Of one that is not there nothing is said either.
        let is_secret = room.hides(Refusal::NotPublisher);
        let right = match self.right(&room, token) {
            Ok(right) => right,
            Err(_) if is_secret => return,
            Err(refused) => return self.refuse_unheeded(&room, &refused),
        };
        if !self.may_publish(&room, stream, right).await {
            if !is_secret {
                self.refuse_of(&room, Refusal::NotPublisher);
            }
            return;
        }
        let too_soon = |at| now.saturating_duration_since(at) < POSTER_EVERY;
        let is_too_soon = self.says().poster_at.is_some_and(too_soon);
        let refuse = |error: &str| {
            self.refuse(&ErrorObject::new(text::POSTER_REFUSED, error));
        };
        if is_too_soon {
            return refuse("como mucho una cada dos segundos");
        }
        let data = Data::take(event, sent.data);
        let Some(bytes) = data.form().and_then(|form| data.bytes(&form)) else {
            return refuse("se espera una imagen: binaria, data URL o base64");
        };
        let max = self.shared.limits.poster_bytes_max;
        if bytes.len() > max {
            let error = format!("tiene {} bytes; el máximo es {max}", bytes.len());
            let refusal = ErrorObject::new(text::POSTER_REFUSED, &error);
            return self.refuse(&refusal.by(limit::POSTER_BYTES));
        }
        let Some(kind) = sniff(&bytes).filter(|kind| kind.is_picture()) else {
            return refuse("se espera JPEG, PNG o WebP");
        };
        *room.poster.lock() = Some((kind.mime(), bytes));
        self.says().poster_at = Some(now);
    }
}

/// A moment that a client wrote as a number, if it is one.
fn millis(at: f64) -> Option<u64> {
    /// The last millisecond that a JavaScript number counts exactly.
    const LAST: f64 = 9_007_199_254_740_991.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the range"
    )]
    (0.0..=LAST).contains(&at).then_some(at as u64)
}
