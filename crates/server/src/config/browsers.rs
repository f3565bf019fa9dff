//! Settings of what pages may do with this server, and its own pages in others.

use crate::headers::FrameAncestors;
use crate::origins::Origins;
use clap::Args;

/// What pages may do with this server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Browsers")]
pub struct Browsers {
    /// Pages that may use this server beside its own: all (*), none (self), or origins with commas between them
    #[arg(
        long,
        value_name = "ORIGINS",
        default_value = "*",
        hide_short_help = true
    )]
    pub origins: Origins,

    /// Pages that may show this server's in a frame: its own (self), none, all (*), or origins with commas between them
    #[arg(
        long,
        value_name = "ORIGINS",
        default_value = "self",
        hide_short_help = true
    )]
    pub frame_ancestors: FrameAncestors,
}
