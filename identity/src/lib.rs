//! Who is who: which person a sender on a platform is, where they are let in, and what becomes of
//! strangers. The only place that mints a `ZakiUserId`.
//!
//! Not for what people said (the ledger), nor for what they spend at the edge.

mod access;
mod actor;
mod allowed;
mod audit;
mod barred;
mod binding;
mod cache;
mod codes;
mod directory;
mod errands;
mod error;
mod feedback;
mod groups;
mod limits;
mod locks;
mod merge;
mod mint;
mod options;
mod pairing;
mod parted;
mod parting;
mod people;
mod person;
mod places;
mod privacy;
mod profile;
mod resolve;
mod rules;
mod scene;
mod schema;
mod sealed;
mod seen;
mod sessions;
mod settings;
mod sweep;
mod told;
mod unlink;
mod usage;
mod web;
mod who;

pub use access::{Access, Allow, Policy, Refusal, SignUp};
pub use actor::{Actor, How, WordError};
pub use audit::{Audited, Entry};
pub use binding::{Binding, BindingKey, BindingKind};
pub use codes::{
    CODES, CodeKey, FIRST_WRONG, Hearer, Invite, Invited, LinkCode, MORE_WRONG, NewInvite, OFFERS,
    Offered, PER_SENDER, Proposal, Redeemed, Rule, Spilt, most_wrong_in,
};
pub use directory::Directory;
pub use errands::{ERRAND_MS, Errand, HEAD_START_MS, Pick, Task, Trace, Traces};
pub use error::DirectoryError;
pub use feedback::Feedback;
pub use groups::{Changers, Group, GroupChange, GroupKey, GroupMode, GroupRules, Who};
pub use limits::{Limits, Quota, Verdict, judge};
pub use merge::{Confirmed, JOINING_MS, Merged, Question, Unmerged};
pub use options::Options;
pub use pairing::{
    ANNOUNCE_MS, Admission, Announcement, Approved, Denied, News, PAIRING_MS, Pairing,
};
pub use person::{PeopleFilter, Person, Role};
pub use places::{Place, Visit};
pub use privacy::{AskedErase, EXPORT_MS, Erased, ExportToken};
pub use resolve::Resolution;
pub use sessions::Session;
pub use settings::{Home, Setting};
pub use sweep::{Keep, Swept};
pub use unlink::Unlinked;
pub use usage::{Counts, Totals};
pub use web::Visitor;
pub use who::Linked;
