//! Settings of streams: how many, how much of each is held, and what becomes of a viewer that lags.

use super::{Count, Often, Share, Size, Span};
use clap::Args;

/// What a stream holds, and for how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Streams")]
pub struct Streams {
    /// How long a stream waits for a publisher whose connection broke; its viewers stay meanwhile. 0s ends it at once
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub publisher_grace: Span,

    /// Streams at one time; one more is refused
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "10000",
        hide_short_help = true
    )]
    pub streams_max: Count,

    /// Viewers of one stream; one more is refused
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "100000",
        hide_short_help = true
    )]
    pub stream_viewers_max: Count,

    /// Viewers of all streams together; one more is refused
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "200000",
        hide_short_help = true
    )]
    pub viewers_max: Count,

    /// Viewers that are let in when many come at once; the others wait up to a second, and are then refused
    #[arg(
        long,
        value_name = "RATE",
        default_value = "5000/s burst 500",
        hide_short_help = true
    )]
    pub join_rate: Often,

    /// How busy with sending the server's threads may be before no further viewers are taken, so that those who watch do not suffer
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "80%",
        hide_short_help = true
    )]
    pub busy_max: Share,

    /// Memory that this process may use, beside what the machine or its group leaves it. Near it, and near the end of those, it is given back in a stated order (memory-left-min)
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    pub memory_max: Option<Size>,

    /// Memory that must be left, of all that this process may use, for further viewers to be taken. Below twice this streams hold a quarter of what they may, below half of it sessions are ended for which most is waiting
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "4%",
        hide_short_help = true
    )]
    pub memory_left_min: Share,

    /// A viewer with more bytes than this waiting for it is moved to the newest picture or keyframe
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "8MiB",
        hide_short_help = true
    )]
    pub lag_bytes_max: Size,

    /// A viewer whose next frame is older than this is moved to the newest picture or keyframe
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2s",
        hide_short_help = true
    )]
    pub lag_max: Span,

    /// Bytes of a stream's newest frames that are held for its viewers; beyond that the oldest go
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "16MiB",
        hide_short_help = true
    )]
    pub held_bytes_max: Size,

    /// Bytes of the newest frames of all streams together; beyond that streams let go of their oldest down to an equal share
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1GiB",
        hide_short_help = true
    )]
    pub all_held_bytes_max: Size,

    /// How long a frame is held for viewers
    #[arg(
        long,
        value_name = "TIME",
        default_value = "15s",
        hide_short_help = true
    )]
    pub held_max: Span,

    /// A picture or group of frames older than this is not shown to somebody who joins
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        hide_short_help = true
    )]
    pub backlog_max: Span,

    /// Bytes from a recording's newest keyframe on that are kept for who joins; a longer group is given to nobody, who joins then waits for the next keyframe
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "2900kB",
        hide_short_help = true
    )]
    pub group_bytes_max: Size,

    /// A publisher whose keyframes are further apart than this is told so, once
    #[arg(
        long,
        value_name = "TIME",
        default_value = "4s",
        hide_short_help = true
    )]
    pub keyframe_gap_max: Span,

    /// So many lags within lags-within take a viewer one step down: to keyframes only, then to a still now and then
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "3",
        hide_short_help = true
    )]
    pub lags_max: Count,

    /// The time in which a viewer's lags are counted
    #[arg(
        long,
        value_name = "TIME",
        default_value = "15s",
        hide_short_help = true
    )]
    pub lags_within: Span,

    /// A viewer that has not lagged for so long goes one step up
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        hide_short_help = true
    )]
    pub recover_after: Span,

    /// How often a viewer that gets keyframes only gets one, at most
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1s",
        hide_short_help = true
    )]
    pub keyframe_every: Span,

    /// How often a viewer that gets stills only gets one, at most
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        hide_short_help = true
    )]
    pub still_every: Span,

    /// Up to this many viewers of a stream each coming and going is told by name; in a larger room only the count
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "50",
        hide_short_help = true
    )]
    pub presence_named_max: Count,

    /// So many comings and goings of a room are told by name; of more the room is told the count, as a larger one is
    #[arg(
        long,
        value_name = "RATE",
        default_value = "10/s burst 200",
        hide_short_help = true
    )]
    pub presence_rate: Often,

    /// How often the count of a larger room is told
    #[arg(
        long,
        value_name = "TIME",
        default_value = "500ms",
        hide_short_help = true
    )]
    pub presence_count_every: Span,
}
