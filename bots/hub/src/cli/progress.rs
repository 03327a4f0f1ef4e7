//! Showing progress of long work: a bar on a terminal, plain lines everywhere else.
