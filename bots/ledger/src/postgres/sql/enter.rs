//! Beginning in the name of a term, or without one: what is locked before anything is read.

/// Token, lane, conversations.
pub(in crate::postgres) const ENTER: &str = "SELECT enter($1, $2, $3)";

/// The same before [`ACCEPT`](super::ACCEPT), which joins what it is given: a table of messages it does
/// not read.
pub(in crate::postgres) const ENTER_ACCEPT: &str =
    "SELECT enter($1, $2, $3), set_config('enable_hashjoin', 'on', true)";

/// For what each turn does. It finds few rows by their keys, whatever the keys are, and to plan
/// [`JOIN`](super::JOIN) anew each time costs more than to carry it out.
macro_rules! planned_once {
    () => {
        ", set_config('plan_cache_mode', 'force_generic_plan', true)"
    };
}

/// Token, lane, conversations.
pub(in crate::postgres) const ENTER_LANE: &str =
    concat!("SELECT enter($1, $2, $3)", planned_once!());

/// Token, the turn whose lane it is, conversations.
pub(in crate::postgres) const ENTER_TURN: &str = concat!(
    "SELECT enter($1, (SELECT user_id || ' ' || session FROM turn WHERE id = $2), $3)",
    planned_once!()
);

/// Token, a delivery whose conversation it is.
pub(in crate::postgres) const ENTER_DELIVERY: &str = concat!(
    "SELECT enter($1, NULL, ARRAY(SELECT conversation FROM delivery WHERE id = $2))",
    planned_once!()
);

/// What [`ENTER`] locks, for whoever has no lease: a lane, and then conversations.
pub(in crate::postgres) const OCCUPY_LANE: &str =
    "SELECT pg_advisory_xact_lock(2053205870, hashtext($1))";
pub(in crate::postgres) const OCCUPY: &str = "SELECT occupy($1)";

/// The conversation of a delivery, for whoever has no lease.
pub(in crate::postgres) const OCCUPY_DELIVERY: &str =
    "SELECT occupy(ARRAY(SELECT conversation FROM delivery WHERE id = $1))";
