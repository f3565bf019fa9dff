//! Sample entries: what MP4 says of a track's codec, from and to a [`Track`].

use std::num::NonZeroU16;

use bytes::{Buf, Bytes};
use shiguredo_mp4::boxes::{
    AudioSampleEntryFields, Av01Box, Avc1Box, DopsBox, EsdsBox, Hvc1Box, Mp4aBox, OpusBox,
    SampleEntry, VisualSampleEntryFields, Vp09Box,
};
use shiguredo_mp4::descriptors::{
    DecoderConfigDescriptor, DecoderSpecificInfo, EsDescriptor, SlConfigDescriptor,
};
use shiguredo_mp4::{FixedPointNumber, Uint};

use crate::codec::{decode_box, encode_box};
use crate::frame::{Codec, Track, TrackKind};

/// The sample entry of a track. `Ok(None)`: MP4 has none for this codec that a browser would play.
pub(crate) fn sample_entry(track: &Track) -> Result<Option<SampleEntry>, String> {
    let unknown_boxes = Vec::new();
    Ok(Some(match track.codec {
        Codec::H264 => {
            let avcc_box = decode_box(b"avcC", &track.config)?;
            SampleEntry::Avc1(Avc1Box {
                visual: visual(track)?,
                avcc_box,
                unknown_boxes,
            })
        }
        Codec::Hevc => {
            let hvcc_box = decode_box(b"hvcC", &track.config)?;
            SampleEntry::Hvc1(Hvc1Box {
                visual: visual(track)?,
                hvcc_box,
                unknown_boxes,
            })
        }
        Codec::Vp9 => {
            let vpcc_box = decode_box(b"vpcC", &track.config)?;
            SampleEntry::Vp09(Vp09Box {
                visual: visual(track)?,
                vpcc_box,
                unknown_boxes,
            })
        }
        Codec::Av1 => {
            let av1c_box = decode_box(b"av1C", &track.config)?;
            SampleEntry::Av01(Av01Box {
                visual: visual(track)?,
                av1c_box,
                unknown_boxes,
            })
        }
        Codec::Opus => {
            let dops_box = opus_specific(&track.config)?;
            let audio = AudioSampleEntryFields {
                samplerate: FixedPointNumber::new(48_000, 0),
                ..audio(u16::from(dops_box.output_channel_count), 0)
            };
            SampleEntry::Opus(OpusBox {
                audio,
                dops_box,
                unknown_boxes,
            })
        }
        Codec::Aac => {
            let TrackKind::Audio {
                sample_rate,
                channels,
            } = track.kind
            else {
                return Err("not an audio track".to_owned());
            };
            SampleEntry::Mp4a(Mp4aBox {
                audio: audio(channels, sample_rate),
                esds_box: esds(track),
                unknown_boxes,
            })
        }
        Codec::Vp8 | Codec::Jpeg | Codec::Other(_) => return Ok(None),
    }))
}

fn visual(track: &Track) -> Result<VisualSampleEntryFields, String> {
    let TrackKind::Video { width, height } = track.kind else {
        return Err("not a video track".to_owned());
    };
    let side =
        |pixels: u32| u16::try_from(pixels).map_err(|_| format!("{pixels} pixels are too many"));
    Ok(VisualSampleEntryFields {
        data_reference_index: ONE,
        width: side(width)?,
        height: side(height)?,
        horizresolution: VisualSampleEntryFields::DEFAULT_HORIZRESOLUTION,
        vertresolution: VisualSampleEntryFields::DEFAULT_VERTRESOLUTION,
        frame_count: VisualSampleEntryFields::DEFAULT_FRAME_COUNT,
        compressorname: VisualSampleEntryFields::NULL_COMPRESSORNAME,
        depth: VisualSampleEntryFields::DEFAULT_DEPTH,
    })
}

fn audio(channels: u16, sample_rate: u32) -> AudioSampleEntryFields {
    AudioSampleEntryFields {
        data_reference_index: ONE,
        channelcount: channels,
        samplesize: AudioSampleEntryFields::DEFAULT_SAMPLESIZE,
        // Rates that do not fit stand in the codec's own configuration.
        samplerate: FixedPointNumber::new(u16::try_from(sample_rate).unwrap_or(0), 0),
    }
}

const ONE: NonZeroU16 = NonZeroU16::MIN;

fn esds(track: &Track) -> EsdsBox {
    EsdsBox {
        es: EsDescriptor {
            es_id: EsDescriptor::MIN_ES_ID,
            stream_priority: EsDescriptor::LOWEST_STREAM_PRIORITY,
            depends_on_es_id: None,
            url_string: None,
            ocr_es_id: None,
            dec_config_descr: DecoderConfigDescriptor {
                object_type_indication:
                    DecoderConfigDescriptor::OBJECT_TYPE_INDICATION_AUDIO_ISO_IEC_14496_3,
                stream_type: DecoderConfigDescriptor::STREAM_TYPE_AUDIO,
                up_stream: DecoderConfigDescriptor::UP_STREAM_FALSE,
                buffer_size_db: Uint::new(0),
                max_bitrate: 0,
                avg_bitrate: 0,
                dec_specific_info: Some(DecoderSpecificInfo {
                    payload: track.config.to_vec(),
                }),
            },
            sl_config_descr: SlConfigDescriptor,
        },
    }
}

/// `OpusHead` says in little endian what `dOps` says in big endian.
fn opus_specific(head: &Bytes) -> Result<DopsBox, String> {
    let mut rest = head
        .as_ref()
        .strip_prefix(b"OpusHead")
        .ok_or("no OpusHead")?;
    if rest.len() < 11 {
        return Err("OpusHead is cut off".to_owned());
    }
    let _version = rest.get_u8();
    let output_channel_count = rest.get_u8();
    let (pre_skip, input_sample_rate, output_gain) =
        (rest.get_u16_le(), rest.get_u32_le(), rest.get_i16_le());
    if rest.get_u8() != 0 || !(1..=2).contains(&output_channel_count) {
        return Err("Opus with more than two channels is not supported".to_owned());
    }
    Ok(DopsBox {
        output_channel_count,
        pre_skip,
        input_sample_rate,
        output_gain,
    })
}

/// What a sample entry says of a track's codec: codec, kind, configuration.
pub(crate) fn described(entry: &SampleEntry) -> Result<(Codec, TrackKind, Bytes), String> {
    Ok(match entry {
        SampleEntry::Avc1(entry) => (
            Codec::H264,
            video(&entry.visual),
            encode_box(&entry.avcc_box)?,
        ),
        SampleEntry::Hvc1(entry) => (
            Codec::Hevc,
            video(&entry.visual),
            encode_box(&entry.hvcc_box)?,
        ),
        SampleEntry::Hev1(entry) => (
            Codec::Hevc,
            video(&entry.visual),
            encode_box(&entry.hvcc_box)?,
        ),
        SampleEntry::Vp08(entry) => (Codec::Vp8, video(&entry.visual), Bytes::new()),
        SampleEntry::Vp09(entry) => (
            Codec::Vp9,
            video(&entry.visual),
            encode_box(&entry.vpcc_box)?,
        ),
        SampleEntry::Av01(entry) => (
            Codec::Av1,
            video(&entry.visual),
            encode_box(&entry.av1c_box)?,
        ),
        SampleEntry::Opus(entry) => (Codec::Opus, sound(&entry.audio), opus_head(&entry.dops_box)),
        SampleEntry::Mp4a(entry) => {
            let decoder = &entry.esds_box.es.dec_config_descr;
            let aac = DecoderConfigDescriptor::OBJECT_TYPE_INDICATION_AUDIO_ISO_IEC_14496_3;
            match &decoder.dec_specific_info {
                Some(info) if decoder.object_type_indication == aac => {
                    (Codec::Aac, sound(&entry.audio), info.payload.clone().into())
                }
                _ => {
                    let name = format!("mp4a.{:02x}", decoder.object_type_indication);
                    (Codec::Other(name), sound(&entry.audio), Bytes::new())
                }
            }
        }
        // The same as avc1, but parameter sets may also stand in the stream.
        SampleEntry::Unknown(entry) if entry.box_type.as_bytes() == b"avc3" => {
            let entry: Avc1Box = decode_box(b"avc1", &entry.payload)?;
            (
                Codec::H264,
                video(&entry.visual),
                encode_box(&entry.avcc_box)?,
            )
        }
        SampleEntry::Unknown(entry) => (
            Codec::Other(entry.box_type.to_string()),
            TrackKind::Other,
            Bytes::new(),
        ),
        SampleEntry::Flac(entry) => (
            Codec::Other("fLaC".to_owned()),
            sound(&entry.audio),
            Bytes::new(),
        ),
        SampleEntry::Stpp(_) | SampleEntry::Wvtt(_) | SampleEntry::Tx3g(_) => (
            Codec::Other("subtitles".to_owned()),
            TrackKind::Other,
            Bytes::new(),
        ),
    })
}

fn video(fields: &VisualSampleEntryFields) -> TrackKind {
    TrackKind::Video {
        width: u32::from(fields.width),
        height: u32::from(fields.height),
    }
}

fn sound(fields: &AudioSampleEntryFields) -> TrackKind {
    TrackKind::Audio {
        sample_rate: u32::from(fields.samplerate.integer),
        channels: fields.channelcount,
    }
}

fn opus_head(specific: &DopsBox) -> Bytes {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(specific.output_channel_count);
    head.extend_from_slice(&specific.pre_skip.to_le_bytes());
    head.extend_from_slice(&specific.input_sample_rate.to_le_bytes());
    head.extend_from_slice(&specific.output_gain.to_le_bytes());
    head.push(0);
    head.into()
}
