//! One WebRTC session of a viewer: the offer, ICE, the handshake, and datagrams of which only the beginnings are read.
//!
//! str0m does what a player does until it is connected, and answers ever after whether it is still there. Of media it is given
//! what somebody wants to have decrypted, and knows of nothing else; so the reports that it would write of what it
//! received are not true, and never leave.

use crate::link::LinkError;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::config::DtlsCert;
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol as Transport, Receive};
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig, RtcError};

/// The longest datagram of WebRTC, and more.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 2048;
/// What is read of one when its media are of no interest. What keeps the session alive is shorter.
pub(crate) const HEAD_BYTES: usize = 192;

/// What a datagram is, by its first byte. RFC 7983.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// STUN and DTLS.
    Control,
    /// RTP and RTCP.
    Media,
    Other,
}

impl Kind {
    /// Of a datagram.
    pub(crate) fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(0..=3 | 20..=63) => Self::Control,
            Some(128..=191) => Self::Media,
            _ => Self::Other,
        }
    }
}

/// What a session has to say.
#[derive(Debug)]
pub(crate) enum Said {
    Connected,
    /// A packet of media that it was given: the time, and the payload.
    Packet(u32, Arc<[u8]>),
    /// Nothing before then.
    NothingUntil(Instant),
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    rtc: Rtc,
    socket: Socket,
    here: SocketAddr,
    server: SocketAddr,
    /// Until the offer is answered.
    pending: Option<SdpPendingOffer>,
}

impl From<RtcError> for LinkError {
    fn from(error: RtcError) -> Self {
        Self::Refused(format!("WebRTC: {error}"))
    }
}

/// What all viewers of a run show of themselves: it costs a key each, and nobody compares.
pub(crate) fn certificate() -> Option<DtlsCert> {
    let crypto = str0m::crypto::from_feature_flags();
    crypto.dtls_provider.generate_certificate()
}

impl Session {
    /// With a server at this address, and the offer to it.
    pub(crate) fn new(to: IpAddr, certificate: &DtlsCert) -> Result<(Self, String), LinkError> {
        const RECEIVE_BYTES: usize = 1 << 20;
        // All that a player wants which sees each picture at once. That it reports when each packet came is not said.
        let mut extensions = ExtensionMap::empty();
        extensions.set(1, Extension::RtpMid);
        extensions.set(2, Extension::PlayoutDelay);
        let any = SocketAddr::new(to, 0);
        let socket = Socket::new(Domain::for_address(any), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(RECEIVE_BYTES)?;
        socket.bind(&any.into())?;
        let here = socket.local_addr()?.as_socket().unwrap_or(any);
        let mut rtc = RtcConfig::new()
            .set_dtls_cert(certificate.clone())
            .set_extension_map(extensions)
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_vp8(true)
            .enable_vp9(true)
            .enable_h264(true)
            .enable_av1(true)
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(here, "udp").map_err(RtcError::from)?);
        let mut api = rtc.sdp_api();
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let (offer, pending) = api.apply().expect("a line was added");
        let session = Self {
            rtc,
            socket,
            here,
            server: any,
            pending: Some(pending),
        };
        Ok((session, offer.to_sdp_string()))
    }

    /// The server has answered. It is looked for at the address that it was reached at, whatever others it names.
    pub(crate) fn answered(&mut self, answer: &str) -> Result<(), LinkError> {
        let no = |reason: &str| LinkError::Refused(format!("WebRTC: {reason}"));
        let port = udp_port(answer).ok_or_else(|| no("the answer names no UDP port"))?;
        self.server.set_port(port);
        self.socket.connect(&self.server.into())?;
        let others = |line: &&str| !line.starts_with("a=candidate:");
        let lines: Vec<&str> = answer.lines().filter(others).collect();
        let answer = SdpAnswer::from_sdp_string(&(lines.join("\r\n") + "\r\n"))
            .map_err(|_| no("the answer is no session description"))?;
        if let Some(pending) = self.pending.take() {
            self.rtc.sdp_api().accept_answer(pending, answer)?;
        }
        let there = Candidate::host(self.server, "udp").map_err(RtcError::from)?;
        self.rtc.add_remote_candidate(there);
        Ok(())
    }

    /// Where the server is looked for.
    pub(crate) fn server(&self) -> SocketAddr {
        self.server
    }

    /// Reads the beginning of the next datagram into `into`, and says how long all of it is. `None` if there is none.
    pub(crate) fn receive(&self, into: &mut [u8]) -> Result<Option<usize>, LinkError> {
        match recv(&self.socket, into, RecvFlags::TRUNC) {
            Ok((_, length)) => Ok(Some(length)),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a whole datagram. What it has to say to that is to be asked for.
    pub(crate) fn hear(&mut self, datagram: &[u8]) -> Result<(), LinkError> {
        // What is none of any protocol is nobody's.
        let Ok(contents) = datagram.try_into() else {
            return Ok(());
        };
        let receive = Receive {
            proto: Transport::Udp,
            source: self.server,
            destination: self.here,
            contents,
        };
        let input = Input::Receive(Instant::now(), receive);
        Ok(self.rtc.handle_input(input)?)
    }

    /// Time has passed.
    pub(crate) fn pass(&mut self) -> Result<(), LinkError> {
        Ok(self.rtc.handle_input(Input::Timeout(Instant::now()))?)
    }

    /// Sends what there is to send, and says the next thing that matters.
    pub(crate) fn poll(&mut self) -> Result<Said, LinkError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Transmit(datagram) => self.send(&datagram.contents)?,
                Output::Event(Event::Connected) => return Ok(Said::Connected),
                Output::Event(Event::RtpPacket(packet)) => {
                    return Ok(Said::Packet(packet.header.timestamp, packet.payload));
                }
                Output::Event(
                    Event::Closed
                    | Event::IceConnectionStateChange(IceConnectionState::Disconnected),
                ) => return Err(LinkError::Closed),
                Output::Event(_) => {}
                Output::Timeout(at) => return Ok(Said::NothingUntil(at)),
            }
        }
    }

    /// Says goodbye.
    pub(crate) fn leave(mut self) {
        // Whatever goes wrong now, it is over.
        if self.rtc.close().is_err() {
            return;
        }
        while let Ok(output @ (Output::Transmit(_) | Output::Event(_))) = self.rtc.poll_output() {
            if let Output::Transmit(datagram) = output {
                let _ = self.send(&datagram.contents);
            }
        }
    }

    fn send(&self, datagram: &[u8]) -> Result<(), LinkError> {
        if Kind::of(datagram) == Kind::Media {
            return Ok(());
        }
        match self.socket.send(datagram) {
            // What the system has no room for is lost, as on any network.
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The port of the first address of UDP that an answer names.
fn udp_port(answer: &str) -> Option<u16> {
    let candidates = answer
        .lines()
        .filter_map(|line| line.strip_prefix("a=candidate:"));
    let mut fields = candidates.map(|line| line.split_ascii_whitespace().skip(2));
    fields.find_map(|mut fields| {
        let is_udp = fields.next()?.eq_ignore_ascii_case("udp");
        let port = fields.nth(2)?.parse().ok()?;
        is_udp.then_some(port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_an_answer_is_that_of_udp() {
        let answer = "v=0\r\na=candidate:1 1 tcp 5 127.0.0.1 9 typ host tcptype passive\r\n\
             a=candidate:2 1 UDP 4 192.0.2.1 3478 typ host\r\na=candidate:3 1 udp 4 127.0.0.1 1 typ host\r\n";
        assert_eq!(udp_port(answer), Some(3478));
        assert_eq!(
            udp_port("v=0\r\na=candidate:1 1 tcp 5 ::1 9 typ host\r\n"),
            None
        );
    }

    #[test]
    fn an_offer_is_of_a_picture_without_reports_of_each_packet() {
        let certificate = certificate().unwrap();
        let (session, offer) = Session::new([127, 0, 0, 1].into(), &certificate).unwrap();
        assert!(offer.contains("m=video") && offer.contains("a=recvonly"));
        assert!(!offer.contains("m=audio") && !offer.contains("transport-wide-cc"));
        assert!(offer.contains("playout-delay") && offer.contains("VP8/90000"));
        // Nothing is sent before the server is known.
        assert_eq!(session.receive(&mut [0; 9]).unwrap(), None);
    }
}
