//! Cuts a recording into chunks and writes what a viewer gets who joins after one of them.
//!
//! `cargo run -p abanico-media --example webm_join -- IN.webm CHUNK_BYTES JOIN_AFTER OUT.webm`
//! writes the joiner's bytes and then the chunks that follow, as `stream:buffer` and `stream:data`
//! would bring them. With `-` for OUT it only tells what each chunk held.

use std::process::ExitCode;

use abanico_media::webm::{Joinable, Limits};
use bytes::Bytes;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [input, chunk_bytes, join_after, output] = &args[..] else {
        eprintln!("usage: webm_join IN.webm CHUNK_BYTES JOIN_AFTER OUT.webm");
        return ExitCode::FAILURE;
    };
    match join(input, chunk_bytes, join_after, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn join(
    input: &str,
    chunk_bytes: &str,
    join_after: &str,
    output: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let recording = Bytes::from(std::fs::read(input)?);
    let chunk_bytes: usize = chunk_bytes.parse()?;
    let join_after: usize = join_after.parse()?;
    let mut joinable = Joinable::new(Limits::default());
    let mut rest = recording;
    let mut joined: Option<Vec<Bytes>> = None;
    for n in 0.. {
        if rest.is_empty() {
            break;
        }
        let chunk = rest.split_to(chunk_bytes.clamp(1, rest.len()));
        let info = joinable.push(&chunk);
        eprintln!(
            "{n} {} bytes, {} held: {info:?}",
            chunk.len(),
            joinable.held_bytes()
        );
        if let Some(joined) = &mut joined {
            joined.push(chunk);
        } else if n >= join_after {
            joined = joinable.join();
            if let Some(joined) = &joined {
                eprintln!(
                    "joined with {} bytes",
                    joined.iter().map(Bytes::len).sum::<usize>()
                );
            }
        }
    }
    if output != "-" {
        let joined = joined.ok_or("nobody could join: no keyframe was complete")?;
        std::fs::write(output, joined.concat())?;
    }
    Ok(())
}
