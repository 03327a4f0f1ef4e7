//! Many people who link, part, merge and are taken for each other, all at the same time; and the
//! proof that nobody was ever answered by another person's sandbox, nor heard what is another's.
//! Not for a single behaviour: the suites beside it show those one at a time.

mod cast;
mod ear;
mod judge;
mod model;
mod operator;
mod play;
mod script;

pub use cast::{Account, Cast};
pub use ear::Ear;
pub use judge::{Asked, Flaw, MessageNo, Place, Recalled, Records, Verdict, judge, words};
pub use model::{AccountNo, Answerer, Joined, Model, PersonNo};
pub use operator::Operator;
pub use play::{Figures, code, play};
pub use script::{Household, Script, Step};
