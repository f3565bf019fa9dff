//! A viewer's socket as the courier of its stream has it.

use abanico_hub::feed::{self, Offered};
use abanico_live::Packet;
use abanico_socketio::engine::{self, Outlet, Parcel};

/// A session's socket that takes packets as `frame` writes them.
#[derive(Clone)]
pub(super) struct Direct {
    outlet: Outlet,
    frame: fn(&Packet) -> &Parcel,
}

impl Direct {
    /// `frame` makes a packet's parcel once and shares it.
    pub(super) fn new(outlet: Outlet, frame: fn(&Packet) -> &Parcel) -> Self {
        Self { outlet, frame }
    }
}

impl feed::Outlet<Packet> for Direct {
    fn open(&self, place: u64) {
        self.outlet.open(place);
    }

    fn close(&self) -> Option<u64> {
        self.outlet.close()
    }

    fn offer(&self, place: u64, packet: &Packet) -> Offered {
        if packet.is_init() {
            // The viewer's own feed must know what it has been given.
            self.outlet.give_back();
            return Offered::Busy;
        }
        of(self.outlet.offer(place, (self.frame)(packet)))
    }

    fn offer_run(&self, place: u64, packets: &[Packet]) -> (usize, Offered) {
        let whole = packets.iter().position(Packet::is_init);
        let run = &packets[..whole.unwrap_or(packets.len())];
        let (taken, offered) = if run.is_empty() {
            (0, engine::Offered::Busy)
        } else {
            self.outlet.offer_run(place, run.iter().map(self.frame))
        };
        if run.len() < packets.len() {
            // The viewer's own feed must know what it has been given.
            self.outlet.give_back();
        }
        (taken, of(offered))
    }

    fn give_back(&self) {
        self.outlet.give_back();
    }

    fn prepare(&self) {
        self.outlet.prepare();
    }
}

fn of(offered: engine::Offered) -> Offered {
    match offered {
        engine::Offered::Taken => Offered::Taken,
        engine::Offered::Busy => Offered::Busy,
        engine::Offered::Gone => Offered::Gone,
    }
}
