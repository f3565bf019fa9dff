//! Any bytes may claim to be a picture, or a body of pictures.

pub(super) fn run(data: &[u8]) {
    let _ = abanico_media::jpeg::dimensions(data);
    let _ = abanico_media::jpeg::damage(data);
    let _ = abanico_media::sniff::sniff(data);
    let _ = abanico_media::codec::opus::packet_duration(data);
    let mut multipart = abanico_media::jpeg::multipart::Demuxer::new("x", 2000);
    let mut sequence = abanico_media::jpeg::sequence::Demuxer::new(2000);
    for chunk in data.chunks(data.first().map_or(1, |cut| usize::from(*cut).max(1))) {
        let _ = multipart.push(chunk, std::time::Duration::ZERO, &mut Vec::new());
        let _ = sequence.push(chunk, std::time::Duration::ZERO, &mut Vec::new());
    }
}
