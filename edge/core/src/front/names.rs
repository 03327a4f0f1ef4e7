//! What calls are called where they are counted: few words, and none of a person.

use super::Call;

impl Call {
    /// For logs and counts.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Turn { .. } => "turn",
            Self::Events { .. } => "events",
            Self::Abort { .. } => "abort",
            Self::Steer { .. } => "steer",
            Self::Wake { .. } => "wake",
            Self::Approve { .. } => "approve",
            Self::Usage { .. } => "usage",
            Self::Retire { .. } | Self::Reinstate { .. } | Self::Erase { .. } => "person",
            Self::Sandboxes | Self::Sandbox { .. } => "sandbox",
            Self::Backup { .. } | Self::Restore { .. } | Self::Archive { .. } => "backup",
            Self::Keep { .. } | Self::Media { .. } => "media",
            Self::Operate { .. } => "operate",
            Self::Metrics => "metrics",
            Self::Model => "model",
            Self::Chat | Self::Messages | Self::Models => "think",
        }
    }
}
