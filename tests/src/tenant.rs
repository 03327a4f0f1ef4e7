//! Many people who link, part, merge, leave and are taken for each other, all at the same time; and
//! the proof that nobody was ever answered by another person's sandbox, nor heard what is another's.
//! Not for a single behaviour: the suites beside it show those one at a time.

mod account;
mod archive;
mod cast;
mod ear;
mod judge;
mod model;
mod operator;
mod play;
mod run;
mod script;
mod wire;

pub use account::Account;
pub use cast::Cast;
pub use ear::Ear;
pub use judge::{Asked, Flaw, MessageNo, Place, Recalled, Records, Verdict, judge, word, words};
pub use model::{AccountNo, Answerer, GroupNo, Joined, Model, PersonNo};
pub use operator::Operator;
pub use play::{Figures, code, play};
pub use run::{Outcome, Size, on_one, on_several};
pub use script::{Household, Script, Step};
