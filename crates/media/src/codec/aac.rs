//! AAC: how long a frame lasts.

use std::time::Duration;

/// How long the sound in each frame lasts, by the `AudioSpecificConfig` (ISO/IEC 14496-3, section 1.6.2.1). `None` if that
/// does not tell. A frame is as long with spectral band replication as without: that doubles samples and rate alike.
#[must_use]
pub fn frame_duration(config: &[u8]) -> Option<Duration> {
    let mut bits = Bits { config, at: 0 };
    let kind = bits.take(5)?;
    // The types with a `GASpecificConfig`, whose first bit is the length.
    if !matches!(kind, 1..=7 | 17 | 19..=23 | 29) {
        return None;
    }
    let rate = bits.rate()?;
    bits.take(4)?;
    // Band replication that is told first: its own rate, then the type below it.
    if matches!(kind, 5 | 29) {
        bits.rate()?;
        bits.take(5)?;
    }
    let samples = if bits.take(1)? == 1 { 960 } else { 1024 };
    Some(Duration::from_nanos(
        samples * 1_000_000_000 / u64::from(rate),
    ))
}

struct Bits<'a> {
    config: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for at in self.at..self.at + count {
            let byte = self.config.get(at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - at % 8) & 1);
        }
        self.at += count;
        Some(value)
    }

    /// A sampling rate, by its number or written out.
    fn rate(&mut self) -> Option<u32> {
        const RATES: [u32; 13] = [
            96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
            8_000, 7_350,
        ];
        const WRITTEN_OUT: u32 = 15;
        let rate = match self.take(4)? {
            WRITTEN_OUT => self.take(24)?,
            number => *RATES.get(usize::try_from(number).ok()?)?,
        };
        (rate > 0).then_some(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_lasts_as_long_as_its_samples() {
        for (config, nanos) in [
            // AAC-LC at 48 and 44.1 kHz, stereo.
            (&[0x11, 0x90][..], 21_333_333),
            (&[0x12, 0x10], 23_219_954),
            // The same with 960 samples.
            (&[0x11, 0x94], 20_000_000),
            // HE-AAC: 24 kHz below, 48 kHz above.
            (&[0x2b, 0x11, 0x88, 0x00], 42_666_666),
            // 50 kHz, written out.
            (&[0x17, 0x80, 0x61, 0xa8, 0x10], 20_480_000),
        ] {
            let duration = frame_duration(config);
            assert_eq!(duration, Some(Duration::from_nanos(nanos)), "{config:02x?}");
        }
    }

    #[test]
    fn what_is_no_configuration_tells_nothing() {
        for config in [&[][..], &[0x11], &[0xff, 0xff], &[0x17, 0x80, 0, 0, 0x10]] {
            assert_eq!(frame_duration(config), None, "{config:02x?}");
        }
    }
}
